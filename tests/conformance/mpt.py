from conformance import Row

SIZES = dict(d_model=256, n_heads=4, n_layers=2, expansion_ratio=4, max_seq_len=2048)


def released(config):
    return {**config, 'init_device': 'cpu', 'no_bias': True, 'attn_config': dict(
        alibi=True, alibi_bias_max=16, attn_impl='torch', attn_pdrop=0, attn_type='multihead_attention',
        attn_uses_sequence_id=False, clip_qkv=6.0, prefix_lm=False, qk_ln=False, softmax_scale=None)}


ROWS = [
    Row('mpt', 'MPTForCausalLM', tokenizer='gpt-2', bare=True, config=SIZES, released=released,
        make=lambda config: __import__('transformers').MptForCausalLM(
            __import__('transformers').MptConfig(**config))),
]
