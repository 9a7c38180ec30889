from conformance import Row, ends, experts, gated, layer


def arctic(c):
    n, out = c['hidden_size'], ends(c)
    for i in range(c['num_hidden_layers']):
        p = f'model.layers.{i}.'
        mlp = {p + 'block_sparse_moe.gate.weight': [c['num_local_experts'], n],
               **experts(p + 'block_sparse_moe.experts', c['num_local_experts'], n, c['intermediate_size'], ('w1', 'w3', 'w2')),
               **gated(p + 'residual_mlp', n, c['intermediate_size'], ('w1', 'w3', 'w2'))}
        out.update(layer(i, c, mlp=mlp, norms=('input_layernorm', 'post_attention_layernorm', 'residual_layernorm')))
    return out


ROWS = [
    Row('arctic', 'ArcticForCausalLM', tokenizer='llama-2', tensors=arctic, config=dict(
        model_type='arctic', num_local_experts=4, num_experts_per_tok=2, rms_norm_eps=1e-5, rope_theta=10000, rope_scaling=None,
        moe_layer_frequency=1, parallel_attn_mlp_res=True)),
]
