from conformance import Row, ends

ROWS = [
    Row('ernie-4.5', 'Ernie4_5ForCausalLM', tokenizer='llama-2', config=dict(head_dim=64)),
    Row('ernie-4.5-moe', 'Ernie4_5_MoeForCausalLM', tokenizer='llama-2', config=dict(
        moe_num_experts=4, moe_k=2, moe_num_shared_experts=2, moe_layer_start_index=1)),
]
