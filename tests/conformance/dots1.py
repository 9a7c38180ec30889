from conformance import Row

ROWS = [
    Row('dots.llm1', 'Dots1ForCausalLM', tokenizer='smollm2', config=dict(
        n_routed_experts=4, n_shared_experts=2, num_experts_per_tok=2, n_group=1, topk_group=1, first_k_dense_replace=1, head_dim=64)),
]
