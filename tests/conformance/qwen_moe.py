from conformance import Row

ROWS = [
    Row('qwen2-moe', 'Qwen2MoeForCausalLM', tokenizer='qwen2', config=dict(
        num_experts=4, num_experts_per_tok=2, shared_expert_intermediate_size=512)),
    Row('qwen3-moe', 'Qwen3MoeForCausalLM', tokenizer='qwen3', config=dict(num_experts=4, num_experts_per_tok=2)),
]
