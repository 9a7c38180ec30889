from conformance import Row

ROWS = [
    Row('bert', 'BertModel', tokenizer='minilm'),
]
