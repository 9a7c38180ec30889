from conformance import Row

PLAIN = dict(d_model=256, n_layer=2, vocab_size=50277, ssm_cfg={}, rms_norm=True, residual_in_fp32=True, fused_add_norm=True)


def plain(config):
    """A checkpoint of state-spaces: no class, no model_type, no tokenizer."""
    n, inner = config['d_model'], 2 * config['d_model']
    out = {'backbone.embedding.weight': [50280, n], 'backbone.norm_f.weight': [n], 'lm_head.weight': [50280, n]}
    for i in range(config['n_layer']):
        p = f'backbone.layers.{i}.'
        out.update({p + 'norm.weight': [n], p + 'mixer.A_log': ([inner, 16], 'float32'), p + 'mixer.D': ([inner], 'float32'),
                    p + 'mixer.in_proj.weight': [2 * inner, n], p + 'mixer.conv1d.weight': [inner, 1, 4], p + 'mixer.conv1d.bias': [inner],
                    p + 'mixer.x_proj.weight': [48, inner], p + 'mixer.dt_proj.weight': [inner, 16], p + 'mixer.dt_proj.bias': [inner],
                    p + 'mixer.out_proj.weight': [n, inner]})
    return out


def no_class(config):
    return {k: v for k, v in config.items() if k not in ('architectures', 'model_type')}


MAMBA2 = dict(hidden_size=256, num_hidden_layers=2, num_heads=8, head_dim=64, state_size=128, n_groups=2, expand=2)
ROWS = [
    Row('mamba', 'MambaForCausalLM', tokenizer='gpt-2', bare=True, config=dict(hidden_size=256, num_hidden_layers=2, intermediate_size=512)),
    Row('falcon-mamba', 'FalconMambaForCausalLM', tokenizer='gpt-2', bare=True, config=dict(
        hidden_size=256, num_hidden_layers=2, intermediate_size=512, tie_word_embeddings=False)),
    Row('mamba-plain', 'MambaForCausalLM', bare=True, config=PLAIN, tensors=plain, released=no_class),
    Row('mamba2', 'Mamba2ForCausalLM', tokenizer='gpt-2', bare=True, config=MAMBA2),
    Row('mamba2-spm', 'Mamba2ForCausalLM', tokenizer='llama-2', bare=True, config=dict(MAMBA2, tie_word_embeddings=False)),
]
