from conformance import Row, ends, experts, gated, layer


def ling3(c):
    n, dim, out = c['hidden_size'], c['head_dim'], ends(c, embedding='model.word_embeddings')
    heads, kv = c['num_attention_heads'], c['kv_lora_rank']
    main = c['num_hidden_layers']
    for i in range(main + c['num_nextn_predict_layers']):
        p = f'model.layers.{i}.'
        a = p + 'attention.'
        if i >= main or (i + 1) % c['layer_group_size'] == 0:
            width = c['qk_nope_head_dim'] + c['qk_rope_head_dim']
            attention = {a + 'kv_a_proj_with_mqa.weight': [kv + c['qk_rope_head_dim'], n], a + 'kv_a_layernorm.weight': [kv],
                         a + 'kv_b_proj.weight': [heads * (c['qk_nope_head_dim'] + c['v_head_dim']), kv],
                         a + 'dense.weight': [n, heads * c['v_head_dim']], a + 'g_proj.weight': [heads, n]}
            if c['q_lora_rank']:
                attention.update({a + 'q_a_proj.weight': [c['q_lora_rank'], n], a + 'q_a_layernorm.weight': [c['q_lora_rank']],
                                  a + 'q_b_proj.weight': [heads * width, c['q_lora_rank']]})
            else:
                attention[a + 'q_proj.weight'] = [heads * width, n]
        else:
            attention = {f'{a}{x}_{y}.weight': s for x in 'qkv' for y, s in (
                ('proj', [heads * dim, n]), ('conv1d', [heads * dim, 1, c['short_conv_kernel_size']]))}
            attention.update({a + 'f_proj.weight': [heads * dim, n], a + 'g_proj.weight': [heads * dim, n], a + 'b_proj.weight': [heads, n],
                              a + 'A_log': ([heads], 'float32'), a + 'dt_bias': ([heads * dim], 'float32'), a + 'o_norm.weight': [dim],
                              a + 'o_proj.weight': [n, heads * dim]})
        mlp = None
        if i >= c['first_k_dense_replace']:
            mlp = {p + 'mlp.gate.weight': [c['num_experts'], n], p + 'mlp.gate.expert_bias': ([c['num_experts']], 'float32'),
                   **experts(p + 'mlp.experts', c['num_experts'], n, c['moe_intermediate_size']),
                   **gated(p + 'mlp.shared_experts', n, c['moe_shared_expert_intermediate_size'])}
        out.update(layer(i, c, attention=attention, mlp=mlp))
        if i >= main:
            out.update({p + 'eh_proj.weight': [n, 2 * n], p + 'enorm.weight': [n], p + 'hnorm.weight': [n], p + 'final_layernorm.weight': [n]})
    return out


LING3 = dict(model_type='bailing_moe_v3', num_hidden_layers=4, layer_group_size=2, head_dim=64, num_key_value_heads=4, kv_lora_rank=256,
             q_lora_rank=256, qk_nope_head_dim=64, qk_rope_head_dim=32, v_head_dim=64, short_conv_kernel_size=4, no_kda_lora=True,
             kda_safe_gate=True, kda_lower_bound=-5.0, gated_attention_proj_granularity_type='head_wise', num_experts=4,
             num_experts_per_tok=2, num_shared_experts=1, moe_shared_expert_intermediate_size=256, first_k_dense_replace=1,
             routed_scaling_factor=2.5, norm_topk_prob=True, n_group=2, topk_group=1, score_function='sigmoid', rms_norm_eps=1e-6,
             rope_theta=6000000, num_nextn_predict_layers=1, tie_word_embeddings=False)

ROWS = [
    Row('ling-3', 'BailingMoeV3ForCausalLM', tokenizer='smollm2', tensors=ling3, config=LING3),
    Row('ling-3-plain', 'BailingMoeV3ForCausalLM', tokenizer='smollm2', tensors=ling3, config=dict(
        LING3, q_lora_rank=None, num_nextn_predict_layers=0, expert_swiglu_limit_list=[None, 7.0, 7.0, None],
        share_expert_swiglu_limit_list=[0, 0, 16.0])),
]
