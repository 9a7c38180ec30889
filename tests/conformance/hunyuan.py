from conformance import Row

ROWS = [
    Row('hunyuan-dense', 'HunYuanDenseV1ForCausalLM', tokenizer='smollm2', config=dict(head_dim=64)),
    Row('hy3', 'HYV3ForCausalLM', tokenizer='smollm2', config=dict(num_experts=4, num_experts_per_tok=2, head_dim=64, first_k_dense_replace=1)),
]
