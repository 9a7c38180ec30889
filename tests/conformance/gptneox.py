from conformance import Row

ROWS = [
    Row('pythia', 'GPTNeoXForCausalLM', tokenizer='gpt-2'),
    Row('dolly', 'GPTNeoXForCausalLM', tokenizer='gpt-2', config=dict(
        use_parallel_residual=False, rotary_pct=0.5, attention_bias=False)),
    Row('bloom', 'BloomForCausalLM', tokenizer='gpt-2', bare=True, config=dict(
        hidden_size=256, n_layer=2, n_head=4)),
]
