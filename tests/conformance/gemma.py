from conformance import Row

POOLING = {
    'modules.json': '[{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},'
                    ' {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]',
    '1_Pooling/config.json': '{"word_embedding_dimension": 256, "pooling_mode_mean_tokens": true}',
}

ROWS = [
    Row('gemma', 'GemmaForCausalLM', tokenizer='tiny', config=dict(head_dim=64)),
    Row('gemma-2', 'Gemma2ForCausalLM', tokenizer='gemma-3', config=dict(head_dim=64)),
    Row('gemma-3', 'Gemma3ForCausalLM', tokenizer='gemma-3', config=dict(head_dim=64)),
    Row('embedding-gemma', 'Gemma3TextModel', tokenizer='tiny', files=POOLING,
        config=dict(head_dim=64, sliding_window=512, use_bidirectional_attention=True)),
]
