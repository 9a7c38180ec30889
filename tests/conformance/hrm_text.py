from conformance import Row


def tensors(config):
    n = config['hidden_size']
    out = {'model.embed_tokens.weight': [config['vocab_size'], n], 'lm_head.weight': [config['vocab_size'], n],
           'model.z_L_init': [n]}
    for stack in 'LH':
        for i in range(config['num_hidden_layers']):
            p = f'model.{stack}_module.layers.{i}.'
            out |= {p + 'attn.gqkv_proj.weight': [4 * n, n], p + 'attn.o_proj.weight': [n, n],
                    p + 'mlp.gate_up_proj.weight': [1024, n], p + 'mlp.down_proj.weight': [n, 512]}
    return out


ROWS = [
    Row('hrm-text', 'HrmTextForCausalLM', tokenizer='gpt-2', tensors=tensors, config=dict(
        model_type='hrm_text', head_dim=64, H_cycles=2, L_cycles=2, embedding_scale=50.0, prefix_lm=True,
        rms_norm_eps=1e-6)),
]
