from conformance import Row


def tensors(config):
    n = config['hidden_size']
    out = {'model.embed_tokens.weight': [config['vocab_size'], n], 'model.norm.weight': [n],
           'lm_head.weight': [config['vocab_size'], n], 'model.vqmodel.encoder.conv_in.weight': [8, 3, 3, 3]}
    for i in range(config['num_hidden_layers']):
        p = f'model.layers.{i}.'
        for part in 'qkvo':
            out[f'{p}self_attn.{part}_proj.weight'] = [n, n]
        for part in 'qk':
            out |= {f'{p}self_attn.{part}_norm.weight': [4, 64], f'{p}self_attn.{part}_norm.bias': [4, 64]}
        out |= {p + 'mlp.gate_proj.weight': [512, n], p + 'mlp.up_proj.weight': [512, n],
                p + 'mlp.down_proj.weight': [n, 512], p + 'input_layernorm.weight': [n],
                p + 'post_attention_layernorm.weight': [n]}
    return out


ROWS = [
    Row('chameleon-7b', 'ChameleonForConditionalGeneration', tokenizer='gpt-2', tensors=tensors, config=dict(
        model_type='chameleon', num_key_value_heads=4, swin_norm=False, rms_norm_eps=1e-5, rope_theta=10000.0,
        rope_scaling=None, qk_layernorm=True)),
    Row('chameleon-34b', 'ChameleonForCausalLM', tokenizer='gpt-2', tensors=tensors, config=dict(
        model_type='chameleon', num_key_value_heads=4, swin_norm=True)),
]
