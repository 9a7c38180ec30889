from conformance import Row

VISION2 = dict(depth=1, embed_dim=64, hidden_size=256, num_heads=2, patch_size=14)
VISION25 = dict(depth=1, hidden_size=64, intermediate_size=128, num_heads=2, out_hidden_size=256, fullatt_block_indexes=[0])
VISION3 = dict(depth=2, hidden_size=64, intermediate_size=128, num_heads=2, out_hidden_size=256, num_position_embeddings=16,
               deepstack_visual_indexes=[0, 1])
ROPE = dict(rope_type='default', mrope_section=[8, 12, 12], rope_theta=1000000.0)
ROPE3 = dict(ROPE, mrope_interleaved=True)
MOE = dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=256)


def flat(config):
    """As Qwen released them: the text model's parameters beside vision_config."""
    text = config.pop('text_config')
    text['rope_scaling'] = dict(type='mrope', mrope_section=[8, 12, 12])
    text['rope_theta'] = 1000000.0
    return {**text, **config}


ROWS = [
    Row('qwen2-vl', 'Qwen2VLForConditionalGeneration', tokenizer='smollm2', text='text_config', released=flat,
        config=dict(text_config=dict(rope_parameters=ROPE), vision_config=VISION2)),
    Row('qwen2.5-vl', 'Qwen2_5_VLForConditionalGeneration', tokenizer='smollm2', text='text_config', released=flat,
        config=dict(text_config=dict(rope_parameters=ROPE), vision_config=VISION25)),
    Row('qwen3-vl', 'Qwen3VLForConditionalGeneration', tokenizer='smollm2', text='text_config',
        config=dict(text_config=dict(head_dim=64, rope_parameters=ROPE3), vision_config=VISION3)),
    Row('qwen3-vl-moe', 'Qwen3VLMoeForConditionalGeneration', tokenizer='smollm2', text='text_config',
        config=dict(text_config=dict(head_dim=64, rope_parameters=ROPE3, **MOE), vision_config=VISION3)),
]
