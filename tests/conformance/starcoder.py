from conformance import Row

GPT = dict(n_embd=256, n_layer=2, n_head=4, n_positions=1024)


def codeshell(config):
    n = config['n_embd']
    out = {'transformer.wte.weight': [config['vocab_size'], n], 'transformer.ln_f.weight': [n],
           'transformer.ln_f.bias': [n], 'lm_head.weight': [config['vocab_size'], n]}
    for i in range(config['n_layer']):
        for part, shape in (('attn.c_attn', [n + 2 * 64 * 2, n]), ('attn.c_proj', [n, n]), ('mlp.c_fc', [4 * n, n]),
                            ('mlp.c_proj', [n, 4 * n]), ('ln_1', [n]), ('ln_2', [n])):
            out[f'transformer.h.{i}.{part}.weight'] = shape
            out[f'transformer.h.{i}.{part}.bias'] = shape[:1]
        out[f'transformer.h.{i}.attn.rotary_emb.inv_freq'] = ([32], 'float32')
    return out


ROWS = [
    Row('starcoder', 'GPTBigCodeForCausalLM', tokenizer='gpt-2', bare=True, config=GPT),
    Row('starcoder2', 'Starcoder2ForCausalLM', tokenizer='smollm2', config=dict(norm_epsilon=1e-5)),
    Row('codeshell', 'CodeShellForCausalLM', tokenizer='gpt-2', bare=True, config=dict(
        model_type='codeshell', activation_function='gelu_pytorch_tanh', group_query_attention=True,
        num_query_groups=2, layer_norm_epsilon=1e-5, n_inner=1024, position_embedding_type='rope',
        rope_scaling=None, bos_token_id=70000, eos_token_id=70000, **GPT), tensors=codeshell),
]
