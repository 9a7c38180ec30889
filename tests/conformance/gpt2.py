from conformance import Row

ROWS = [
    Row('gpt-2', 'GPT2LMHeadModel', tokenizer='gpt-2', bare=True, config=dict(
        n_embd=256, n_layer=2, n_head=4, n_positions=1024)),
]
