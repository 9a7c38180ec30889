from conformance import Row

ROWS = [
    Row('afmoe', 'AfmoeForCausalLM', tokenizer='smollm2', config=dict(
        num_experts=4, num_experts_per_tok=2, num_shared_experts=1, num_dense_layers=1, head_dim=64)),
]
