import json

from conformance import Row

PIECES = [('<|plamo:unk|>', 0.0, 'UNKNOWN'), ('<|plamo:bos|>', 0.0, 'CONTROL'), ('<|plamo:eos|>', 0.0, 'CONTROL'),
          ('<|plamo:pad|>', 0.0, 'CONTROL'), ('<|plamo:op|>', 0.0, 'NORMAL')]
PIECES += [(f'<0x{b:02X}>', 0.0, 'BYTE') for b in range(256)] + [(w, -float(i), 'NORMAL') for i, w in enumerate(['the', '日本', ' of', 'å'])]
VOCAB = {
    'tokenizer.jsonl': ''.join(json.dumps([t, s, k, None, len(t), len(t), 0], ensure_ascii=False) + '\n' for t, s, k in PIECES),
    'tokenizer_config.json': json.dumps(dict(tokenizer_class='Plamo2Tokenizer', bos_token='<|plamo:bos|>', eos_token='<|plamo:eos|>',
                                             pad_token='<|plamo:pad|>', unk_token='<|plamo:unk|>', chat_template='{{ messages }}')),
}


def plamo2(config):
    n, f, v, heads, dim = (config[k] for k in ('hidden_size', 'intermediate_size', 'vocab_size', 'mamba_num_heads', 'hidden_size_per_head'))
    inner, state, q, kv = heads * dim, config['mamba_d_state'], config['num_attention_heads'], config['num_key_value_heads']
    rank = max(64, n // 16)
    out = {'model.embed_tokens.weight': [v, n], 'model.norm.weight': [n]}
    for i in range(config['num_hidden_layers']):
        p = f'model.layers.layers.{i}.'
        out.update({p + x + '.weight': [n] for x in ('pre_mixer_norm', 'post_mixer_norm', 'pre_mlp_norm', 'post_mlp_norm')})
        out.update({p + 'mlp.gate_up_proj.weight': [2 * f, n], p + 'mlp.down_proj.weight': [n, f]})
        p += 'mixer.'
        if i % 2 == 1:
            out.update({p + 'qkv_proj.weight': [(q + 2 * kv) * dim, n], p + 'o_proj.weight': [n, q * dim],
                        p + 'q_weight': [q, dim], p + 'k_weight': [kv, dim]})
        else:
            out.update({p + 'in_proj.weight': [2 * inner, n], p + 'conv1d.weight': [inner, 1, 4], p + 'bcdt_proj.weight': [rank + 2 * state, inner],
                        p + 'dt_proj.weight': [heads, rank], p + 'dt_bias': ([heads], 'float32'), p + 'A_log': ([heads], 'float32'),
                        p + 'D': ([heads], 'float32'), p + 'dt_norm_weight': [rank], p + 'B_norm_weight': [state], p + 'C_norm_weight': [state],
                        p + 'out_proj.weight': [n, inner]})
    return out


def plamo3(config):
    n, f, v, dim = config['hidden_size'], config['intermediate_size'], config['vocab_size'], config['head_dim']
    q, kv = config['num_attention_heads'], config['num_key_value_heads']
    out = {'model.embed_tokens.weight': [v, n], 'model.norm.weight': [n]}
    for i in range(config['num_hidden_layers']):
        p = f'model.layers.layers.{i}.'
        out.update({p + x + '.weight': [n] for x in ('pre_mixer_norm', 'post_mixer_norm', 'pre_mlp_norm', 'post_mlp_norm')})
        out.update({p + 'mlp.gate_up_proj.weight': [2 * f, n], p + 'mlp.down_proj.weight': [n, f],
                    p + 'mixer.qkv_proj.weight': [(q + 2 * kv) * dim, n], p + 'mixer.o_proj.weight': [n, q * dim],
                    p + 'mixer.q_norm.weight': [dim], p + 'mixer.k_norm.weight': [dim]})
    return out


def plamo(config):
    n, f, v = config['hidden_size'], config['intermediate_size'], config['vocab_size']
    out = {'model.embed_tokens.weight': [v, n], 'model.norm.weight': [n], 'lm_head.weight': [v, n]}
    for i in range(config['num_hidden_layers']):
        p = f'model.layers.layers.{i}.'
        out.update({p + 'norm.weight': [n], p + 'self_attn.q_proj.weight': [n, n], p + 'self_attn.o_proj.weight': [n, n],
                    p + 'self_attn.k_proj.weight': [5 * 128, n], p + 'self_attn.v_proj.weight': [5 * 128, n],
                    p + 'mlp.gate_proj.weight': [f, n], p + 'mlp.up_proj.weight': [f, n], p + 'mlp.down_proj.weight': [n, f]})
    return out


ROWS = [
    # the converter takes no other width than that of the 13B model
    Row('plamo-13b', 'PlamoForCausalLM', tokenizer='tiny', tensors=plamo, config=dict(
        model_type='plamo', hidden_size=5120, num_hidden_layers=1, num_attention_heads=40, num_key_value_heads=40, n_shared_head=8,
        rms_norm_eps=1e-6, tokenizer_class='PlamoTokenizer', tie_word_embeddings=False,
        auto_map={'AutoConfig': 'modeling_plamo.PlamoConfig'})),
    Row('plamo-2', 'Plamo2ForCausalLM', files=VOCAB, tensors=plamo2, config=dict(
        model_type='plamo2', vocab_size=272, rms_norm_eps=1e-6, hidden_size_per_head=64, mamba_num_heads=8, mamba_d_state=64, mamba_d_conv=4,
        mamba_step=2, mamba_enabled=True, num_key_value_heads=1, attention_window_size=2048, full_attention_idx=[],
        auto_map={'AutoConfig': 'modeling_plamo.Plamo2Config'})),
    Row('plamo-3', 'Plamo3ForCausalLM', files=VOCAB, tensors=plamo3, config=dict(
        model_type='plamo3', vocab_size=272, rms_norm_eps=1e-6, head_dim=64, window_size=2048, sliding_window_pattern=8, rope_theta=1000000,
        rope_local_theta=10000, auto_map={'AutoConfig': 'modeling_plamo.Plamo3Config'})),
]
