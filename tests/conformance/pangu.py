from conformance import Row, ends, layer


def pangu(c):
    out = ends(c)
    for i in range(c['num_hidden_layers']):
        p = f'model.layers.{i}.self_attn.'
        dim = c['hidden_size'] // c['num_attention_heads']
        out.update(layer(i, c))
        out.update({p + 'q_proj.bias': [c['hidden_size']], p + 'k_proj.bias': [c['num_key_value_heads'] * dim],
                    p + 'v_proj.bias': [c['num_key_value_heads'] * dim], p + 'o_proj.bias': [c['hidden_size']]})
    return out


ROWS = [
    Row('openpangu', 'PanguEmbeddedForCausalLM', tokenizer='llama-2', tensors=pangu, config=dict(
        model_type='PanguEmbedded', bias=True, rms_norm_eps=1e-5, rope_theta=16000000.0, tie_word_embeddings=False)),
]
