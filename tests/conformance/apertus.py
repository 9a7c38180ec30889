from conformance import Row

ROWS = [
    Row('apertus', 'ApertusForCausalLM', tokenizer='tiny'),
    Row('arcee', 'ArceeForCausalLM', tokenizer='tiny', config=dict(head_dim=64)),
]
