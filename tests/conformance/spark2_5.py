from conformance import Row


def tensors(config):
    n = config['hidden_size']
    out = {'model.embed_tokens.weight': [config['vocab_size'], n], 'model.norm.weight': [n],
           'lm_head.weight': [config['vocab_size'], n]}
    for i in range(config['num_hidden_layers']):
        p = f'model.layers.{i}.'
        out |= {p + 'self_attn.q_k_v_proj.weight': [n + 256, n], p + 'self_attn.g_proj.weight': [4, n],
                p + 'self_attn.o_proj.weight': [n, n], p + 'mlp.gate_proj.weight': [512, n],
                p + 'mlp.up_proj.weight': [512, n], p + 'mlp.down_proj.weight': [n, 512],
                p + 'input_layernorm.weight': [n], p + 'post_attention_layernorm.weight': [n]}
    return out


ROWS = [
    Row('spark-x2.5', 'Spark2_5ForCausalLM', tokenizer='gpt-2', tensors=tensors, config=dict(
        model_type='spark2_5', head_dim=64, rms_norm_eps=1e-5, hidden_act='gelu', gate_attn_act_mode='sigmoid',
        headwise_attn_output_gate=True, sliding_window=512, layer_types=['sliding_attention', 'full_attention'],
        rope_parameters=dict(full_attention=dict(rope_type='default', rope_theta=1e6, partial_rotary_factor=0.25),
                             sliding_attention=dict(rope_type='default', rope_theta=1e4, partial_rotary_factor=1.0)))),
]
