from conformance import Row


def block(group, linear, mult):
    return dict(attention=dict(n_heads_in_group=group, no_op=False, num_sink_tokens=None, replace_with_linear=linear,
                               sparsify=None), ffn=dict(ffn_mult=mult, no_op=mult is None, replace_with_linear=False))


BLOCKS = [block(2, False, 2.625), block(None, True, 1.0), block(None, False, 1.3125), block(None, False, None)]


def tensors(config):
    n = config['hidden_size']
    out = {'model.embed_tokens.weight': [config['vocab_size'], n], 'model.norm.weight': [n],
           'lm_head.weight': [config['vocab_size'], n]}
    for i in range(config['num_hidden_layers']):
        p, b = f'model.layers.{i}.', config.get('block_configs', BLOCKS[:1] * 9)[i]
        if b['attention']['n_heads_in_group']:
            out |= {p + 'self_attn.q_proj.weight': [n, n], p + 'self_attn.k_proj.weight': [n // 2, n],
                    p + 'self_attn.v_proj.weight': [n // 2, n], p + 'self_attn.o_proj.weight': [n, n],
                    p + 'input_layernorm.weight': [n]}
        elif b['attention']['replace_with_linear']:
            out |= {p + 'self_attn.linear_attn.weight': [n, n], p + 'input_layernorm.weight': [n]}
        if b['ffn']['ffn_mult']:
            ff = 512 if 'block_configs' not in config else -(-int(2 * b['ffn']['ffn_mult'] * n / 3) // 256) * 256
            out |= {p + 'mlp.gate_proj.weight': [ff, n], p + 'mlp.up_proj.weight': [ff, n],
                    p + 'mlp.down_proj.weight': [n, ff], p + 'post_attention_layernorm.weight': [n]}
    return out


ROWS = [
    Row('nemotron-51b', 'DeciLMForCausalLM', tokenizer='llama-3.1', tensors=tensors, config=dict(
        model_type='nemotron-nas', block_configs=BLOCKS, num_hidden_layers=4, num_key_value_heads=None,
        intermediate_size=None, rms_norm_eps=1e-5, rope_theta=500000.0, rope_scaling=dict(
            factor=8.0, high_freq_factor=4.0, low_freq_factor=1.0, original_max_position_embeddings=8192,
            rope_type='llama3'))),
    Row('nemotron-nas', 'DeciLMForCausalLM', tokenizer='llama-3.1', tensors=tensors, config=dict(
        model_type='nemotron-nas', block_configs=BLOCKS, num_hidden_layers=4, num_key_value_heads=None,
        intermediate_size=None, rms_norm_eps=1e-5, rope_theta=500000.0, rope_scaling=None)),
    Row('decilm-7b', 'DeciLMForCausalLM', tokenizer='llama-3.1', tensors=tensors, config=dict(
        model_type='deci', num_key_value_heads=2, num_key_value_heads_per_layer=[2, 2], rms_norm_eps=1e-5,
        rope_theta=10000.0, rope_scaling=dict(type='dynamic', factor=2.0))),
]
