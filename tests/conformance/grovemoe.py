from conformance import Row, ends, experts, layer


def grove(c):
    n, out = c['hidden_size'], ends(c)
    for i in range(c['num_hidden_layers']):
        p = f'model.layers.{i}.'
        mlp = {p + 'mlp.gate.weight': [c['num_experts'], n], p + 'mlp.gate.expert_bias': ([c['num_experts']], 'float32'),
               p + 'self_attn.q_norm.weight': [c['head_dim']], p + 'self_attn.k_norm.weight': [c['head_dim']],
               **experts(p + 'mlp.experts', c['num_experts'], n, c['moe_intermediate_size']),
               **experts(p + 'mlp.chunk_experts', c['num_experts'] // 2, n, c['head_dim'])}
        out.update(layer(i, c, mlp=mlp))
    return out


ROWS = [
    Row('grovemoe', 'GroveMoeForCausalLM', tokenizer='smollm2', tensors=grove, config=dict(
        model_type='grove_moe', num_experts=4, num_experts_per_tok=2, head_dim=64, rope_theta=1000000, rms_norm_eps=1e-6, norm_topk_prob=True)),
]
