from conformance import Row

MOE = dict(num_experts=4, num_experts_per_tok=2)

ROWS = [
    Row('olmo-1.7', 'OlmoForCausalLM', tokenizer='gpt-2', config=dict(clip_qkv=8.0)),
    Row('olmo-1', 'OlmoForCausalLM', tokenizer='gpt-2', config=dict(num_key_value_heads=4)),
    Row('olmo-2', 'Olmo2ForCausalLM', tokenizer='gpt-2', config=dict(rope_theta=500000)),
    Row('olmo-3', 'Olmo3ForCausalLM', tokenizer='gpt-2', config=dict(num_hidden_layers=4, sliding_window=1024)),
    Row('olmoe', 'OlmoeForCausalLM', tokenizer='gpt-2', config=MOE),
    Row('seed-oss', 'SeedOssForCausalLM', tokenizer='gpt-2', config=dict(head_dim=64)),
]
