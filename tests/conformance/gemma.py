from conformance import Row

POOLING = {
    'modules.json': '[{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},'
                    ' {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]',
    '1_Pooling/config.json': '{"word_embedding_dimension": 256, "pooling_mode_mean_tokens": true}',
}
VISION = dict(hidden_size=64, intermediate_size=128, num_hidden_layers=1, num_attention_heads=2, image_size=56, patch_size=14)
ROPE = dict(full_attention=dict(rope_type='linear', factor=8.0, rope_theta=1000000.0),
            sliding_attention=dict(rope_type='default', rope_theta=10000.0))

ROWS = [
    Row('gemma', 'GemmaForCausalLM', tokenizer='tiny', config=dict(head_dim=64)),
    Row('gemma-2', 'Gemma2ForCausalLM', tokenizer='gemma-3', config=dict(head_dim=64)),
    Row('gemma-3', 'Gemma3ForCausalLM', tokenizer='gemma-3', config=dict(head_dim=64)),
    Row('embedding-gemma', 'Gemma3TextModel', tokenizer='tiny', files=POOLING,
        config=dict(head_dim=64, sliding_window=512, use_bidirectional_attention=True)),
    Row('gemma-3-vl', 'Gemma3ForConditionalGeneration', tokenizer='tiny', text='text_config', config=dict(
        text_config=dict(head_dim=64, rope_parameters=ROPE), vision_config=VISION, mm_tokens_per_image=4)),
]
