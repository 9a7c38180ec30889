from conformance import Row


def released(part):
    """As EleutherAI wrote it, with the names of then. transformers drops rotary_pct, without which the converter
    stops; it goes on where a value of a wrong type makes it read the file itself."""
    return lambda config: {**config, 'rotary_pct': part, 'rotary_emb_base': 10000, 'initializer_range': '0.02',
                           'layer_norm_eps': 1e-5, 'max_position_embeddings': 2048}


def bloom(config):
    return dict(architectures=['BloomForCausalLM'], apply_residual_connection_post_layernorm=False,
                attention_softmax_in_fp32=True, bias_dropout_fusion=True, bos_token_id=1, eos_token_id=2,
                pad_token_id=3, unk_token_id=0, layer_norm_epsilon=1e-05, masked_softmax_fusion=True,
                model_type='bloom', n_embed=256, n_inner=None, n_layer=2, num_attention_heads=4, offset_alibi=100,
                pretraining_tp=1, seq_length=2048, skip_bias_add=True, skip_bias_add_qkv=False,
                transformers_version='4.20.0', use_cache=True, vocab_size=config['vocab_size'])


ROWS = [
    Row('pythia', 'GPTNeoXForCausalLM', tokenizer='gpt-2', released=released(0.25)),
    Row('dolly', 'GPTNeoXForCausalLM', tokenizer='gpt-2', released=released(0.5), config=dict(
        use_parallel_residual=False, rotary_pct=0.5, attention_bias=False)),
    Row('bloom', 'BloomForCausalLM', tokenizer='gpt-2', bare=True, config=dict(
        hidden_size=256, n_layer=2, n_head=4), released=bloom),
]
