from conformance import Row, ends, experts, layer


def think(c):
    n, out = c['hidden_size'], ends(c)
    for i in range(c['num_hidden_layers']):
        p = f'model.layers.{i}.block_sparse_moe.'
        mlp = {p + 'primary_router.weight': [c['moe_num_primary_experts'], n],
               **experts(p + 'experts', c['moe_num_primary_experts'], n, c['moe_ffn_hidden_size'], ('gate', 'up', 'down'))}
        out.update(layer(i, c, mlp=mlp))
    return out


ROWS = [
    Row('smallthinker', 'SmallThinkerForCausalLM', tokenizer='smollm2', tensors=think, config=dict(
        model_type='smallthinker', head_dim=64, moe_num_primary_experts=4, moe_num_active_primary_experts=2, moe_ffn_hidden_size=128,
        moe_primary_router_apply_softmax=False, sliding_window_layout=[0, 1], sliding_window_size=4096, rope_theta=1500000.0,
        rms_norm_eps=1e-6, rope_layout=[0, 1], tie_word_embeddings=False)),
]
