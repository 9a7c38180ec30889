from conformance import Row

MOE = dict(num_experts=4, num_experts_per_tok=2)

ROWS = [
    Row('olmo-1.7', 'OlmoForCausalLM', tokenizer='gpt-2', config=dict(clip_qkv=8.0)),
    Row('olmo-1', 'OlmoForCausalLM', tokenizer='gpt-2', config=dict(num_key_value_heads=4)),
    Row('olmo-2', 'Olmo2ForCausalLM', tokenizer='gpt-2', config=dict(rope_theta=500000)),
    Row('olmo-3', 'Olmo3ForCausalLM', tokenizer='gpt-2', config=dict(num_hidden_layers=4, sliding_window=1024)),
    Row('olmo-3-long', 'Olmo3ForCausalLM', tokenizer='gpt-2', config=dict(
        num_hidden_layers=4, max_position_embeddings=65536, rope_parameters=dict(
            rope_type='yarn', rope_theta=500000, factor=8.0, original_max_position_embeddings=8192,
            attention_factor=1.2079441541679836, beta_fast=32.0, beta_slow=1.0))),
    Row('olmoe', 'OlmoeForCausalLM', tokenizer='gpt-2', config=MOE),
    Row('seed-oss', 'SeedOssForCausalLM', tokenizer='gpt-2', config=dict(head_dim=64)),
]
