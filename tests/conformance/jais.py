from conformance import Row


def tensors(config):
    n, ff = config['n_embd'], config['n_inner']
    out = {'transformer.wte.weight': [config['vocab_size'], n], 'transformer.ln_f.weight': [n],
           'transformer.ln_f.bias': [n], 'lm_head.weight': [config['vocab_size'], n]}
    for i in range(config['n_layer']):
        p = f'transformer.h.{i}.'
        for part, rows, columns in (('attn.c_attn', n, 3 * n), ('attn.c_proj', n, n), ('mlp.c_fc', n, ff),
                                    ('mlp.c_fc2', n, ff), ('mlp.c_proj', ff, n)):
            out |= {f'{p}{part}.weight': [rows, columns], f'{p}{part}.bias': [columns]}
        for norm in ('ln_1', 'ln_2'):
            out |= {f'{p}{norm}.weight': [n], f'{p}{norm}.bias': [n]}
        out[p + 'attn.bias'] = [1, 1, 4, 4]
    return out


SIZES = dict(model_type='jais', n_embd=256, n_layer=2, n_head=4, n_inner=512, n_positions=2048,
             activation_function='swiglu', position_embedding_type='alibi', layer_norm_epsilon=1e-5)

ROWS = [
    Row('jais-13b', 'JAISLMHeadModel', tokenizer='gpt-2', bare=True, tensors=tensors, config=dict(
        embeddings_scale=14.6, width_scale=0.11100000000000002, **SIZES)),
    Row('jais-family', 'JAISLMHeadModel', tokenizer='gpt-2', bare=True, tensors=tensors, config=dict(
        mup_embeddings_scale=9.1705, mup_output_alpha=1.09518, mup_width_scale=0.125, **SIZES)),
    Row('jais-2', 'Jais2ForCausalLM', tokenizer='gpt-2'),
]
