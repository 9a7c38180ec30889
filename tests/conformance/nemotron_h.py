from conformance import Row

MAMBA = dict(mamba_num_heads=8, mamba_head_dim=64, ssm_state_size=16, n_groups=2, expand=2)
MOE = dict(n_routed_experts=4, num_experts_per_tok=2, moe_intermediate_size=256, moe_shared_expert_intermediate_size=256,
           n_shared_experts=1, n_group=1, topk_group=1, norm_topk_prob=True, routed_scaling_factor=2.5)


def tensors(config):
    h, f, v, d = config['hidden_size'], config['intermediate_size'], config['vocab_size'], config['attention_head_dim']
    q, kv = d * config['num_attention_heads'], d * config['num_key_value_heads']
    heads = config['mamba_num_heads']
    inner = heads * config['mamba_head_dim']
    conv = inner + 2 * config['n_groups'] * config['ssm_state_size']
    names = {'backbone.embeddings.weight': [v, h], 'backbone.norm_f.weight': [h], 'lm_head.weight': [v, h]}
    for i, kind in enumerate(config['hybrid_override_pattern']):
        p = f'backbone.layers.{i}.'
        names[p + 'norm.weight'] = [h]
        p += 'mixer.'
        if kind == 'M':
            names.update({p + 'A_log': [heads], p + 'D': [heads], p + 'dt_bias': [heads], p + 'norm.weight': [inner],
                          p + 'conv1d.weight': [conv, 1, 4], p + 'conv1d.bias': [conv],
                          p + 'in_proj.weight': [conv + inner + heads, h], p + 'out_proj.weight': [h, inner]})
        elif kind == '*':
            names.update({p + 'q_proj.weight': [q, h], p + 'k_proj.weight': [kv, h], p + 'v_proj.weight': [kv, h],
                          p + 'o_proj.weight': [h, q]})
        elif kind == '-':
            names.update({p + 'up_proj.weight': [f, h], p + 'down_proj.weight': [h, f]})
        else:
            experts, size = config['n_routed_experts'], config['moe_intermediate_size']
            shared = config['moe_shared_expert_intermediate_size']
            names.update({p + 'gate.weight': [experts, h], p + 'gate.e_score_correction_bias': ([experts], 'float32'),
                          p + 'shared_experts.up_proj.weight': [shared, h], p + 'shared_experts.down_proj.weight': [h, shared]})
            for x in range(experts):
                names.update({p + f'experts.{x}.up_proj.weight': [size, h], p + f'experts.{x}.down_proj.weight': [h, size]})
    return names


BASE = dict(model_type='nemotron_h', hidden_size=256, intermediate_size=512, num_attention_heads=4, num_key_value_heads=2,
            max_position_embeddings=8192, layer_norm_epsilon=1e-05, attention_head_dim=64, bos_token_id=1, eos_token_id=2,
            mlp_hidden_act='relu2', mamba_hidden_act='silu', conv_kernel=4, chunk_size=128, use_conv_bias=True,
            tie_word_embeddings=False, auto_map={'AutoConfig': 'configuration_nemotron_h.NemotronHConfig'}, **MAMBA)

ROWS = [
    Row('nemotron-h', 'NemotronHForCausalLM', tokenizer='smollm2', bare=True, tensors=tensors,
        config=dict(BASE, hybrid_override_pattern='M-M*-', num_hidden_layers=5)),
    Row('nemotron-3-nano', 'NemotronHForCausalLM', tokenizer='smollm2', bare=True, tensors=tensors,
        config=dict(BASE, hybrid_override_pattern='MEM*E', num_hidden_layers=5, **MOE)),
]
