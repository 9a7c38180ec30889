from conformance import Row

ROWS = [
    Row('qwen2', 'Qwen2ForCausalLM', tokenizer='qwen2'),
    Row('qwen3', 'Qwen3ForCausalLM', tokenizer='qwen3'),
    Row('qwen3-reranker', 'Qwen3ForCausalLM', tokenizer='smollm2', config=dict(head_dim=64, tie_word_embeddings=True)),
    Row('reranker-card', 'Qwen3ForCausalLM', tokenizer='smollm2', config=dict(head_dim=64),
        files={'README.md': '# Qwen3-Reranker-0.6B\n'}),
]
