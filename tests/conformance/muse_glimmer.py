from conformance import Row

ROWS = [
    Row('muse-glimmer', 'MuseGlimmerForConditionalGeneration', tokenizer='gpt-2', text='text_config', config=dict(
        text_config=dict(head_dim=64, num_hidden_layers=4),
        vision_config=dict(hidden_size=64, intermediate_size=128, num_hidden_layers=1, num_attention_heads=2))),
]
