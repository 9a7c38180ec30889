from conformance import Row

ROWS = [
    Row('gpt-2', 'GPT2LMHeadModel', tokenizer='gpt-2', bare=True, config=dict(
        n_embd=256, n_layer=2, n_head=4, n_positions=1024)),
]


def rugpt3xl(config):
    n, f = config['hidden_size'], config['intermediate_size']
    out = {'model.embed_tokens.weight': [config['vocab_size'], n], 'model.embed_positions.weight': [config['max_position_embeddings'], n],
           'model.norm.weight': [n], 'model.norm.bias': [n]}
    for i in range(config['num_hidden_layers']):
        p = f'model.layers.{i}.'
        for name, rows, columns in (('self_attn.q_proj', n, n), ('self_attn.k_proj', n, n), ('self_attn.v_proj', n, n),
                                    ('self_attn.o_proj', n, n), ('mlp.up_proj', f, n), ('mlp.down_proj', n, f)):
            out.update({f'{p}{name}.weight': [rows, columns], f'{p}{name}.bias': [rows]})
        for norm in ('input_layernorm', 'post_attention_layernorm'):
            out.update({f'{p}{norm}.weight': [n], f'{p}{norm}.bias': [n]})
    return out


ROWS.append(Row('rugpt3xl', 'RuGPT3XLForCausalLM', tokenizer='gpt-2', tensors=rugpt3xl, config=dict(
    model_type='rugpt3xl', layer_norm_epsilon=1e-5, auto_map={'AutoConfig': 'configuration_rugpt3xl.RuGPT3XLConfig'})))
