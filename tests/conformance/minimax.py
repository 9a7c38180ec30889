from conformance import Row

ROWS = [
    Row('minimax-m2', 'MiniMaxM2ForCausalLM', tokenizer='smollm2', config=dict(
        num_local_experts=4, num_experts_per_tok=2, head_dim=64, rotary_dim=32)),
]
