from conformance import Row

ROWS = [
    Row('gemma', 'GemmaForCausalLM', tokenizer='tiny', config=dict(head_dim=64)),
    Row('gemma-2', 'Gemma2ForCausalLM', tokenizer='gemma-3', config=dict(head_dim=64)),
    Row('gemma-3', 'Gemma3ForCausalLM', tokenizer='gemma-3', config=dict(head_dim=64)),
]
