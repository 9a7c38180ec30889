from conformance import Row, ends, experts, gated, layer


def ling(c, bias=False):
    n, out = c['hidden_size'], ends(c, embedding='model.word_embeddings')
    dim = c.get('head_dim') or n // c['num_attention_heads']
    q, kv = c['num_attention_heads'] * dim, c['num_key_value_heads'] * dim
    for i in range(c['num_hidden_layers'] + (c.get('num_nextn_predict_layers') or 0)):
        p = f'model.layers.{i}.'
        attention = {p + 'attention.query_key_value.weight': [q + 2 * kv, n], p + 'attention.dense.weight': [n, q]}
        mlp = None
        if i >= c['first_k_dense_replace']:
            mlp = {p + 'mlp.gate.weight': [c['num_experts'], n], **experts(p + 'mlp.experts', c['num_experts'], n, c['moe_intermediate_size']),
                   **gated(p + 'mlp.shared_experts', n, c['moe_intermediate_size'] * c['num_shared_experts'])}
            if bias:
                mlp[p + 'mlp.gate.expert_bias'] = ([c['num_experts']], 'float32')
        if bias:
            attention.update({p + 'attention.query_layernorm.weight': [dim], p + 'attention.key_layernorm.weight': [dim]})
        out.update(layer(i, c, attention=attention, mlp=mlp))
        if i >= c['num_hidden_layers']:
            out.update({p + 'eh_proj.weight': [n, 2 * n], p + 'enorm.weight': [n], p + 'hnorm.weight': [n], p + 'final_layernorm.weight': [n]})
    return out


LING = dict(num_experts=4, num_experts_per_tok=2, norm_topk_prob=True, rms_norm_eps=1e-6, rope_theta=600000, rope_scaling=None,
            tie_word_embeddings=False, num_shared_experts=2)

ROWS = [
    Row('ling', 'BailingMoeForCausalLM', tokenizer='smollm2', tensors=ling, config=dict(
        LING, model_type='bailing_moe', first_k_dense_replace=0, norm_head=False)),
    Row('ling-2', 'BailingMoeV2ForCausalLM', tokenizer='smollm2', tensors=lambda c: ling(c, bias=True), config=dict(
        LING, model_type='bailing_moe_v2', head_dim=64, first_k_dense_replace=1, routed_scaling_factor=2.5, n_group=2, topk_group=1,
        partial_rotary_factor=0.5, num_nextn_predict_layers=1, score_function='sigmoid')),
]
