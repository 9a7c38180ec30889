from conformance import Row, ends, gated, layer


def step(c):
    n, out = c['hidden_size'], ends(c)
    for i in range(c['num_hidden_layers'] + c['num_nextn_predict_layers']):
        p = f'model.layers.{i}.'
        slides = c['layer_types'][i] == 'sliding_attention'
        other = c['attention_other_setting']
        heads = other['num_attention_heads'] if slides else c['num_attention_heads']
        groups = other['num_attention_groups'] if slides else c['num_attention_groups']
        dim = c['head_dim']
        attention = {p + 'self_attn.q_proj.weight': [heads * dim, n], p + 'self_attn.k_proj.weight': [groups * dim, n],
                     p + 'self_attn.v_proj.weight': [groups * dim, n], p + 'self_attn.o_proj.weight': [n, heads * dim],
                     p + 'self_attn.g_proj.weight': [heads, n], p + 'self_attn.q_norm.weight': [dim], p + 'self_attn.k_norm.weight': [dim]}
        mlp = None
        if i >= 1 and i < c['num_hidden_layers']:
            e, size = c['moe_num_experts'], c['moe_intermediate_size']
            mlp = {p + 'moe.gate.weight': [e, n], p + 'moe.router_bias': ([e], 'float32'),
                   p + 'moe.gate_proj.weight': [e, size, n], p + 'moe.up_proj.weight': [e, size, n], p + 'moe.down_proj.weight': [e, n, size],
                   **gated(p + 'share_expert', n, c['share_expert_dim'])}
        out.update(layer(i, dict(c, num_key_value_heads=groups), attention=attention, mlp=mlp))
        if i >= c['num_hidden_layers']:
            out.update({p + 'eh_proj.weight': [n, 2 * n], p + 'enorm.weight': [n], p + 'hnorm.weight': [n],
                        p + 'transformer.shared_head.norm.weight': [n], p + 'transformer.shared_head.output.weight': [c['vocab_size'], n]})
    return out


def step_vl(c):
    n, dim, out = c['text_config']['hidden_size'], c['text_config']['head_dim'], ends(c['text_config'])
    for i in range(c['text_config']['num_hidden_layers']):
        p = f'model.layers.{i}.self_attn.'
        out.update(layer(i, c['text_config']))
        out.update({p + 'q_norm.weight': [dim], p + 'k_norm.weight': [dim]})
    out.update({'vit_large_projector.weight': [n, 256], 'vision_model.conv1.weight': [64, 3, 14, 14]})
    return out


ROWS = [
    Row('step3-vl', 'StepVLForConditionalGeneration', tokenizer='smollm2', tensors=step_vl, text='text_config', config=dict(
        model_type='step_robotics', text_config=dict(model_type='qwen3', architectures=['Qwen3ForCausalLM'], head_dim=64, rms_norm_eps=1e-6,
                                                     rope_theta=1000000.0, tie_word_embeddings=False),
        vision_config=dict(width=64, layers=1, heads=2, image_size=56, patch_size=14, mlp_ratio=2.0))),
    Row('step-3.5', 'Step3p5ForCausalLM', tokenizer='smollm2', tensors=step, config=dict(
        model_type='step3p5', num_hidden_layers=3, num_nextn_predict_layers=1, num_attention_groups=2, head_dim=64,
        attention_other_setting=dict(attention_type='sliding_attention', num_attention_heads=6, num_attention_groups=2, head_dim=64),
        layer_types=['full_attention', 'sliding_attention', 'full_attention', 'sliding_attention'],
        partial_rotary_factors=[0.5, 1.0, 0.5, 1.0], rope_theta=[5000000.0, 10000.0, 5000000.0, 10000.0],
        rope_scaling=dict(rope_type='llama3', factor=2.0, original_max_position_embeddings=131072, low_freq_factor=1.0, high_freq_factor=32.0),
        sliding_window=512, moe_num_experts=4, moe_top_k=2, share_expert_dim=128, moe_router_scaling_factor=3.0,
        norm_expert_weight=True, moe_layers_enum='1,2', moe_every_n_layer=1, use_head_wise_attn_gate=True,
        swiglu_limits=[None, 7.0, 0, 0], swiglu_limits_shared=[0, 0, 16.0], rms_norm_eps=1e-5)),
]
