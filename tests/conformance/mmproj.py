"""Encoders of pictures: the projector's file alone (their language models are rows elsewhere)."""
import json

from conformance import Row

VISION = dict(hidden_size=64, intermediate_size=128, num_hidden_layers=4, num_attention_heads=4, image_size=64,
              patch_size=16)
TEXT = dict(vocab_size=512, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, head_dim=16)
QWEN = dict(depth=4, hidden_size=64, intermediate_size=128, num_heads=4, out_hidden_size=64, patch_size=16,
            num_position_embeddings=64)
MROPE = dict(rope_type='default', rope_theta=1000000.0, mrope_section=[2, 3, 3])


def picture(**more):
    """preprocessor_config.json"""
    return json.dumps(dict(image_mean=[0.48145466, 0.4578275, 0.40821073],
                           image_std=[0.26862954, 0.26130258, 0.27577711], **more))


def row(name, cls, text, vision, files=None, patch=None, **config):
    return Row('mmproj-' + name, cls, bare=True, types=(), mmproj=True, patch=patch,
               files={'preprocessor_config.json': picture(), **(files or {})},
               config=dict(text_config=text, vision_config=vision, **config))


def renamed(*pairs):
    def patch(state):
        out = {}
        for name, tensor in state.items():
            for old, new in pairs:
                name = name.replace(old, new, 1) if name.startswith(old) else name
            out[name] = tensor
        return out
    return patch


llava_names = renamed(('model.language_model.', 'language_model.model.'), ('lm_head', 'language_model.lm_head'),
                      ('model.vision_tower.', 'vision_tower.'), ('model.multi_modal', 'multi_modal'))
qwen_names = renamed(('model.visual.', 'visual.'), ('model.language_model.', 'model.'))

YOUTU = dict(VISION, model_type='siglip2_vision_model', hidden_act='gelu_pytorch_tanh', layer_norm_eps=1e-6, num_hidden_layers=2,
             fullatt_block_indexes=[1], window_size=112, spatial_merge_size=2, num_patches=-1, num_channels=3, out_hidden_size=64)


def youtu(config):
    n, f = YOUTU['hidden_size'], YOUTU['intermediate_size']
    out = {}

    def linear(name, rows, columns):
        out.update({name + '.weight': [rows, columns], name + '.bias': [rows]})

    def norm(name, size=n):
        out.update({name + '.weight': [size], name + '.bias': [size]})
    linear('siglip2.vision_model.embeddings.patch_embedding', n, 3 * 16 * 16)
    for i in range(YOUTU['num_hidden_layers']):
        p = f'siglip2.vision_model.encoder.layers.{i}.'
        for name in ('q_proj', 'k_proj', 'v_proj', 'out_proj'):
            linear(p + 'self_attn.' + name, n, n)
        for name in ('layer_norm1', 'layer_norm2'):
            norm(p + name)
        linear(p + 'mlp.fc1', f, n)
        linear(p + 'mlp.fc2', n, f)
    norm('siglip2.vision_model.post_layernorm')
    out['merger.ln_q.weight'] = [n]
    linear('merger.mlp.0', 4 * n, 4 * n)
    linear('merger.mlp.2', 64, 4 * n)
    out['model.embed_tokens.weight'] = [512, 64]
    return out


ROWS = [
    row('pixtral', 'LlavaForConditionalGeneration', dict(TEXT, model_type='mistral'),
        dict(VISION, head_dim=16, model_type='pixtral'), patch=llava_names, image_token_index=10, files={
            'tokenizer_config.json': json.dumps(dict(added_tokens_decoder={'12': dict(content='[IMG_BREAK]')}))}),
    row('mistral-3', 'Mistral3ForConditionalGeneration', dict(TEXT, model_type='mistral'),
        dict(VISION, head_dim=16, model_type='pixtral'), patch=llava_names, image_token_index=10,
        spatial_merge_size=2, files={
            'tokenizer_config.json': json.dumps(dict(added_tokens_decoder={})),
            'tokenizer.json': json.dumps(dict(added_tokens=[dict(id=12, content='[IMG_BREAK]')]))}),
    row('idefics-3', 'Idefics3ForConditionalGeneration', dict(TEXT, model_type='llama'), VISION, scale_factor=2,
        files={'preprocessor_config.json': picture(size=dict(longest_edge=1456))}),
    row('smolvlm', 'SmolVLMForConditionalGeneration', dict(TEXT, model_type='llama'), VISION, scale_factor=4,
        files={'preprocessor_config.json': picture(size=dict(longest_edge=2048))}),
    row('llama-4', 'Llama4ForConditionalGeneration', dict(TEXT, num_local_experts=2, intermediate_size_mlp=64),
        dict(VISION, vision_output_dim=64, projector_input_dim=64, projector_output_dim=64)),
    row('qwen2-vl', 'Qwen2VLForConditionalGeneration', dict(TEXT, rope_parameters=MROPE),
        dict(depth=4, embed_dim=64, hidden_size=64, num_heads=4, mlp_ratio=2, patch_size=14), patch=qwen_names),
    row('qwen2.5-vl', 'Qwen2_5_VLForConditionalGeneration', dict(TEXT, rope_parameters=MROPE),
        dict(QWEN, patch_size=14, fullatt_block_indexes=[1, 3]), patch=qwen_names),
    row('qwen3-vl', 'Qwen3VLForConditionalGeneration', TEXT, dict(QWEN, deepstack_visual_indexes=[1, 2])),
    Row('mmproj-youtu-vl', 'YoutuVLForConditionalGeneration', bare=True, types=(), mmproj=True, tensors=youtu, config=dict(
        TEXT, model_type='youtu_vl', vision_config=YOUTU), files={'preprocessor_config.json': picture()}),
    row('qwen3.5', 'Qwen3_5ForConditionalGeneration', TEXT, QWEN),
]
