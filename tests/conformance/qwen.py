from conformance import Row

ROWS = [
    Row('qwen2', 'Qwen2ForCausalLM', tokenizer='qwen2'),
    Row('qwen3', 'Qwen3ForCausalLM', tokenizer='qwen3'),
]
