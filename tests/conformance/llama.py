from conformance import Row

ROWS = [
    Row('llama', 'LlamaForCausalLM', tokenizer='llama-2'),
    Row('llama-3.1', 'LlamaForCausalLM', tokenizer='llama-3.1', config=dict(rope_parameters=dict(
        rope_theta=500000.0, rope_type='llama3', factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=8192))),
    Row('mistral', 'MistralForCausalLM', tokenizer='llama-2'),
    Row('mixtral', 'MixtralForCausalLM', tokenizer='llama-2', config=dict(num_local_experts=4)),
]
