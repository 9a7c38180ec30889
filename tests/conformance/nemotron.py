from conformance import Row

ROWS = [
    Row('nemotron', 'NemotronForCausalLM', tokenizer='tiny', config=dict(head_dim=64)),
]
