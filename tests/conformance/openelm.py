from conformance import Row


def tensors(config):
    n, dim = config['model_dim'], config['head_dim']
    out = {'transformer.token_embeddings.weight': [config['vocab_size'], n], 'transformer.norm.weight': [n]}
    for i in range(config['num_transformer_layers']):
        p = f'transformer.layers.{i}.'
        q, kv, ff = config['num_query_heads'][i], config['num_kv_heads'][i], (256, 512)[i]
        out |= {p + 'attn.qkv_proj.weight': [(q + 2 * kv) * dim, n], p + 'attn.out_proj.weight': [n, q * dim],
                p + 'attn.q_norm.weight': [dim], p + 'attn.k_norm.weight': [dim], p + 'attn_norm.weight': [n],
                p + 'ffn_norm.weight': [n], p + 'ffn.proj_1.weight': [2 * ff, n], p + 'ffn.proj_2.weight': [n, ff]}
    return out


SIZES = dict(model_type='openelm', model_dim=256, head_dim=64, num_transformer_layers=2, num_query_heads=[4, 8],
             num_kv_heads=[1, 2], ffn_multipliers=[0.9, 1.93], ffn_dim_divisor=256, max_context_length=2048,
             num_gqa_groups=4, normalize_qk_projections=True, rope_freq_constant=10000, rope_max_length=4096,
             share_input_output_layers=True, ffn_with_glu=True)

ROWS = [
    Row('openelm', 'OpenELMForCausalLM', tokenizer='tiny', bare=True, tensors=tensors, config=SIZES),
    Row('openelm-builtin', 'OpenELMForCausalLM', bare=True, tensors=tensors, config=dict(vocab_size=32000, **SIZES)),
]
