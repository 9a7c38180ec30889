from conformance import Row


def tensors(config):
    n = config['hidden_size']
    out = {'model.embed.weight': [config['vocab_size'], n], 'lm_head.weight': [config['vocab_size'], n],
           'lm_head_gain.w_g': [1]}
    for i in range(config['num_hidden_layers']):
        p = f'model.blocks.{i}.'
        for part in ('query', 'key', 'value', 'resid'):
            out[f'{p}attn.attn_{part}.weight'] = [n, n]
        out |= {p + 'attn.head_gain.head_g': [4], p + 'attn_gain.a_g': [1], p + 'mlp_gain.a_g': [1],
                p + 'mlp.mlp_gate.weight': [512, n], p + 'mlp.mlp_linear.weight': [512, n],
                p + 'mlp.mlp_resid.weight': [n, 512], p + 'embed_skip.a_g': [1]}
    return out


ROWS = [
    Row('talkie', 'TalkieForCausalLM', tokenizer='gpt-2', tensors=tensors, config=dict(
        model_type='talkie', head_dim=64, num_key_value_heads=4, rope_theta=1000000.0)),
]
