from conformance import Row, ends, experts, layer


def grok(c):
    n, out = c['hidden_size'], ends(c)
    for i in range(c['num_hidden_layers']):
        p = f'model.layers.{i}.'
        mlp = {p + 'block_sparse_moe.gate.weight': [c['num_local_experts'], n],
               **experts(p + 'block_sparse_moe.experts', c['num_local_experts'], n, c['moe_intermediate_size'], ('w1', 'w3', 'w2')),
               p + 'mlp.gate_proj.weight': [c['intermediate_size'], n], p + 'mlp.up_proj.weight': [c['intermediate_size'], n],
               p + 'mlp.down_proj.weight': [n, c['intermediate_size']]}
        out.update(layer(i, c, mlp=mlp, norms=('pre_attn_norm', 'post_attn_norm', 'pre_moe_norm', 'post_moe_norm')))
    return out


ROWS = [
    Row('grok-2', 'Grok1ForCausalLM', tokenizer='smollm2', tensors=grok, files={'chat_template.jinja': '{{ messages }}'}, config=dict(
        model_type='git', num_local_experts=4, num_experts_per_tok=2, head_dim=64, rms_norm_eps=1e-5, embedding_multiplier_scale=90.5,
        output_multiplier_scale=0.5, attn_logit_softcapping=30, router_logit_softcapping=30, final_logit_softcapping=50,
        rope_type='original', scaling_factor=16.0, original_max_position_embeddings=8192, extrapolation_factor=1.0, attn_factor=1.0,
        beta_fast=8, beta_slow=1, rope_theta=208533496, attn_temperature_len=1024)),
]
