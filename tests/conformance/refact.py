from conformance import Row


def tensors(config):
    n = config['n_embd']
    out = {'transformer.wte.weight': [config['vocab_size'], n], 'transformer.ln_f.weight': [n],
           'lm_head.weight': [config['vocab_size'], n]}
    for i in range(config['n_layer']):
        for part, shape in (('attn.q', [n, n]), ('attn.kv', [128, n]), ('attn.c_proj', [n, n]),
                            ('mlp.gate_up_proj', [2 * 768, n]), ('mlp.c_proj', [n, 768]), ('ln_1', [n]), ('ln_2', [n])):
            out[f'transformer.h.{i}.{part}.weight'] = shape
    return out


ROWS = [
    Row('refact', 'GPTRefactForCausalLM', tokenizer='gpt-2', bare=True, config=dict(
        model_type='gpt_refact', n_embd=256, n_layer=2, n_head=4, n_positions=4096, layer_norm_epsilon=1e-5,
        n_inner=None, multi_query=True, attention_bias_in_fp32=True, eos_token_id=0), tensors=tensors),
]
