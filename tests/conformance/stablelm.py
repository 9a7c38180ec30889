from conformance import Row

ROWS = [
    Row('stablelm-2', 'StableLmForCausalLM', tokenizer='gpt-2', config=dict(use_qkv_bias=True)),
    Row('stablelm-3b', 'StableLmForCausalLM', tokenizer='gpt-2', config=dict(num_key_value_heads=4)),
    Row('stablelm-2-12b', 'StableLmForCausalLM', tokenizer='gpt-2', config=dict(
        qk_layernorm=True, use_parallel_residual=True)),
]
