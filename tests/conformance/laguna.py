from conformance import Row

ROWS = [
    Row('laguna', 'LagunaForCausalLM', tokenizer='smollm2', added=('</assistant>',), config=dict(
        num_experts=4, num_experts_per_tok=2, shared_expert_intermediate_size=128, head_dim=64)),
]
