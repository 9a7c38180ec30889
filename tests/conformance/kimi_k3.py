from conformance import Row, ends, gated


def kimi(c):
    t = c['text_config']
    n, heads, dim = t['hidden_size'], t['num_attention_heads'], t['linear_attn_config']['head_dim']
    inner, latent, size = heads * dim, t['routed_expert_hidden_size'], t['moe_intermediate_size']
    out = {**ends(t), 'model.output_attn_res_norm.weight': [n], 'model.output_attn_res_proj.weight': [1, n]}
    for i in range(t['num_hidden_layers']):
        p = f'model.layers.{i}.'
        a = p + 'self_attn.'
        out.update({p + 'input_layernorm.weight': [n], p + 'post_attention_layernorm.weight': [n]})
        for kind in ('self_attention_res', 'mlp_res'):
            out.update({f'{p}{kind}_norm.weight': [n], f'{p}{kind}_proj.weight': [1, n]})
        if i + 1 in t['linear_attn_config']['full_attn_layers']:
            out.update({a + 'q_a_proj.weight': [t['q_lora_rank'], n], a + 'q_a_layernorm.weight': [t['q_lora_rank']],
                        a + 'q_b_proj.weight': [heads * (t['qk_nope_head_dim'] + t['qk_rope_head_dim']), t['q_lora_rank']],
                        a + 'kv_a_proj_with_mqa.weight': [t['kv_lora_rank'] + t['qk_rope_head_dim'], n],
                        a + 'kv_a_layernorm.weight': [t['kv_lora_rank']],
                        a + 'kv_b_proj.weight': [heads * (t['qk_nope_head_dim'] + t['v_head_dim']), t['kv_lora_rank']],
                        a + 'g_proj.weight': [heads * t['v_head_dim'], n], a + 'o_proj.weight': [n, heads * t['v_head_dim']]})
        else:
            for w in 'qkv':
                out.update({f'{a}{w}_proj.weight': [inner, n], f'{a}{w}_conv1d.weight': [inner, 1, 4]})
            out.update({a + 'A_log': ([1, 1, heads, 1], 'float32') if i else ([heads], 'float32'), a + 'dt_bias': ([inner], 'float32'),
                        a + 'f_a_proj.weight': [dim, n], a + 'f_b_proj.weight': [inner, dim], a + 'b_proj.weight': [heads, n],
                        a + 'g_proj.weight': [inner, n], a + 'o_norm.weight': [dim], a + 'o_proj.weight': [n, inner]})
        if i < t['first_k_dense_replace']:
            out.update(gated(p + 'mlp', n, t['intermediate_size']))
            continue
        m = p + 'block_sparse_moe.'
        out.update({m + 'gate.weight': [t['num_experts'], n], m + 'gate.e_score_correction_bias': ([t['num_experts']], 'float32'),
                    **gated(m + 'shared_experts', n, size), m + 'routed_expert_down_proj.weight': [latent, n],
                    m + 'routed_expert_up_proj.weight': [n, latent], m + 'routed_expert_norm.weight': [latent]})
        for e in range(t['num_experts']):
            for w, (rows, cols) in (('w1', (size, latent)), ('w2', (latent, size)), ('w3', (size, latent))):
                x = f'{m}experts.{e}.{w}.weight'
                if c.get('quantization_config'):
                    out.update({x + '_packed': ([rows, cols // 2], 'uint8'), x + '_scale': ([rows, cols // 32], 'uint8')})
                else:
                    out[x] = [rows, cols]
    return {('language_model.' + k if not k.startswith('vision') else k): v for k, v in out.items()}


TEXT = dict(
    architectures=['KimiLinearForCausalLM'], model_type='kimi_linear', hidden_size=256, intermediate_size=512, num_hidden_layers=4,
    num_attention_heads=4, num_key_value_heads=4, moe_intermediate_size=256, num_experts=4, num_experts_per_token=2, num_shared_experts=1,
    first_k_dense_replace=1, kv_lora_rank=256, q_lora_rank=256, qk_nope_head_dim=64, qk_rope_head_dim=32, v_head_dim=64, head_dim=64,
    mla_use_nope=True, moe_renormalize=True, moe_router_activation_func='sigmoid', routed_scaling_factor=2.5, routed_expert_hidden_size=128,
    hidden_act='situ', activation_situ_beta=1.5, activation_situ_linear_beta=0.5, attn_res_block_size=4, rms_norm_eps=1e-5, rope_theta=10000.0,
    vocab_size=49152, max_position_embeddings=2048, eos_token_id=2, bos_token_id=1,
    linear_attn_config=dict(full_attn_layers=[4], kda_layers=[1, 2, 3], head_dim=64, num_heads=4, short_conv_kernel_size=4, gate_lower_bound=-5.0))

ROWS = [
    Row('kimi-k3', 'KimiK3ForConditionalGeneration', tokenizer='smollm2', bare=True, tensors=kimi, config=dict(
        model_type='kimi_k3', text_config=TEXT, vision_config=dict(hidden_size=64))),
    Row('kimi-k3-mxfp4', 'KimiK3ForConditionalGeneration', tokenizer='smollm2', bare=True, tensors=kimi, config=dict(
        model_type='kimi_k3', text_config=TEXT, vision_config=dict(hidden_size=64), quantization_config=dict(
            quant_method='compressed-tensors', format='mxfp4-pack-quantized', config_groups=dict(group_0=dict(
                format='mxfp4-pack-quantized', weights=dict(num_bits=4, type='float', group_size=32)))))),
]
