from conformance import Row

ROWS = [
    Row('mellum-2', 'MellumForCausalLM', tokenizer='gpt-2', config=dict(
        num_experts=4, num_local_experts=4, num_experts_per_tok=2, head_dim=64, num_hidden_layers=4)),
]
