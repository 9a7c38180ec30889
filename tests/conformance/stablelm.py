from conformance import Row


def epoch(config):
    """StableLM 3B as it came out, with a class of its own."""
    return dict(architectures=['StableLMEpochForCausalLM'], bos_token_id=0, eos_token_id=0, hidden_act='silu',
                hidden_size=256, initializer_range=0.02, intermediate_size=512, max_position_embeddings=4096,
                model_type='stablelm_epoch', norm_eps=1e-05, num_attention_heads=4, num_heads=4, num_hidden_layers=2,
                num_key_value_heads=4, rope_pct=0.25, rope_theta=10000, rotary_scaling_factor=1.0,
                tie_word_embeddings=False, torch_dtype='bfloat16', use_cache=True, vocab_size=config['vocab_size'])


ROWS = [
    Row('stablelm-2', 'StableLmForCausalLM', tokenizer='gpt-2', config=dict(use_qkv_bias=True)),
    Row('stablelm-3b', 'StableLmForCausalLM', tokenizer='gpt-2', config=dict(num_key_value_heads=4), released=epoch),
    Row('stablelm-2-12b', 'StableLmForCausalLM', tokenizer='gpt-2', config=dict(
        qk_layernorm=True, use_parallel_residual=True)),
]
