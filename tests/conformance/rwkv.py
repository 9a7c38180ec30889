from conformance import Row

WORLD = {'rwkv_vocab_v20230424.txt': ''.join(f'{i} {t} {n}\n' for i, (t, n) in enumerate(
    [(repr(chr(b)) if b < 128 else repr(bytes([b])), 1) for b in range(256)] + [("'\\n\\n'", 2), ("' the'", 4), ("'日本'", 6)], 1))}


def finch(config):
    n, f, v = config['hidden_size'], config['intermediate_size'] or int(config['hidden_size'] * 3.5) // 32 * 32, config['vocab_size']
    out = {'rwkv.embeddings.weight': [v, n], 'rwkv.ln_out.weight': [n], 'rwkv.ln_out.bias': [n], 'head.weight': [v, n]}
    for i in range(config['num_hidden_layers']):
        p = f'rwkv.blocks.{i}.'
        norms = ['ln1', 'ln2', 'attention.ln_x'] + (['pre_ln'] if i == 0 else [])
        out.update({p + x + s: [n] for x in norms for s in ('.weight', '.bias')})
        out.update({p + 'attention.time_maa_' + x: [1, 1, n] for x in 'xwkvrg'})
        out.update({p + 'attention.time_maa_w1': [n, 160], p + 'attention.time_maa_w2': [5, 32, n], p + 'attention.time_decay': [1, 1, n],
                    p + 'attention.time_decay_w1': [n, 64], p + 'attention.time_decay_w2': [64, n], p + 'attention.time_faaaa': [n // 64, 64]})
        out.update({p + f'attention.{x}.weight': [n, n] for x in ('receptance', 'key', 'value', 'gate', 'output')})
        out.update({p + 'feed_forward.time_maa_k': [1, 1, n], p + 'feed_forward.time_maa_r': [1, 1, n],
                    p + 'feed_forward.key.weight': [f, n], p + 'feed_forward.receptance.weight': [n, n], p + 'feed_forward.value.weight': [n, f]})
    return out


def goose(config):
    """flash-linear-attention's RWKV 7."""
    n, f, v = config['hidden_size'], config['intermediate_size'], config['vocab_size']
    out = {'model.embeddings.weight': [v, n], 'model.norm.weight': [n], 'model.norm.bias': [n], 'lm_head.weight': [v, n]}
    for i in range(config['num_hidden_layers']):
        p = f'model.layers.{i}.'
        norms = ['attn_norm', 'ffn_norm', 'attn.g_norm'] + (['pre_norm'] if i == 0 else [])
        out.update({p + x + s: [n] for x in norms for s in ('.weight', '.bias')})
        out.update({p + 'attn.x_' + x: [1, 1, n] for x in 'rwkvag'})
        out.update({p + f'attn.{x}_proj.weight': [n, n] for x in 'rkvo'})
        out.update({p + 'attn.k_k': [n], p + 'attn.k_a': [n], p + 'attn.r_k': [n // 64, 64], p + 'ffn.x_k': [n],
                    p + 'ffn.key.weight': [f, n], p + 'ffn.value.weight': [n, f]})
        for x, r in (('w', 64), ('a', 64), ('g', 128)) + ((('v', 32),) if i else ()):
            out.update({p + f'attn.{x}_lora.lora.0.weight': [r, n], p + f'attn.{x}_lora.lora.2.weight': [n, r]})
            if x != 'g':
                out[p + f'attn.{x}_lora.lora.2.bias'] = [n]
    return out


def goose_blocks(config):
    """The names of RWKV's own code, with the first layer's v0, v1, v2 and matrices the other way round."""
    n, f, v = config['hidden_size'], 4 * config['hidden_size'], config['vocab_size']
    out = {'model.pre_ln.weight': [n], 'model.pre_ln.bias': [n], 'model.embeddings.weight': [v, n], 'model.ln_out.weight': [n], 'model.ln_out.bias': [n], 'head.weight': [v, n]}
    for i in range(config['num_hidden_layers']):
        p = f'model.blocks.{i}.'
        out.update({p + x + s: [n] for x in ('ln1', 'ln2', 'attention.ln_x') for s in ('.weight', '.bias')})
        out.update({p + 'attention.x_' + x: [1, 1, n] for x in 'rwkvag'})
        out.update({p + f'attention.{x}.weight': [n, n] for x in ('receptance', 'key', 'value', 'output')})
        out.update({p + 'attention.k_k': [1, 1, n], p + 'attention.k_a': [1, 1, n], p + 'attention.r_k': [n // 64, 64],
                    p + 'feed_forward.x_k': [1, 1, n], p + 'feed_forward.key.weight': [f, n], p + 'feed_forward.value.weight': [n, f]})
        for x, r in (('w', 64), ('a', 64), ('g', 96), ('v', 32)):
            out.update({p + f'attention.{x}1': [n, r], p + f'attention.{x}2': [r, n]})
            if x != 'g':
                out[p + f'attention.{x}0'] = [1, 1, n]
    return out


def hybrid(config):
    """Qwen 2 with RWKV 7 attention."""
    n, f, v = config['hidden_size'], config['intermediate_size'], config['vocab_size']
    out = {'model.embed_tokens.weight': [v, n], 'model.norm.weight': [n], 'lm_head.weight': [v, n]}
    for i in range(config['num_hidden_layers']):
        p = f'model.layers.{i}.'
        out.update({p + 'input_layernorm.weight': [n], p + 'post_attention_layernorm.weight': [n], p + 'mlp.gate_proj.weight': [f, n],
                    p + 'mlp.up_proj.weight': [f, n], p + 'mlp.down_proj.weight': [n, f]})
        p += 'self_attn.time_mixer.'
        out.update({p + 'x_' + x: [1, 1, n] for x in ('rwkvag' if config['wkv_has_gate'] else 'rwkva')})
        out.update({p + f'{x}.weight': [n, n] for x in ('receptance', 'key', 'value', 'output')})
        out.update({p + 'k_k': [1, 1, n], p + 'k_a': [1, 1, n], p + 'r_k': [n // 64, 64]})
        for x, r in (('w', 64), ('a', 64)) + ((('g', 128),) if config['wkv_has_gate'] else ()) + ((('v', 32),) if i else ()):
            out.update({p + f'{x}1': [n, r], p + f'{x}2': [r, n]})
            if x != 'g':
                out[p + f'{x}0'] = [1, 1, n]
    return out


def qrwkv(config):
    n, f, v = config['hidden_size'], config['intermediate_size'], config['vocab_size']
    kv = n // config['num_attention_heads'] * config['num_key_value_heads']
    out = {'model.embed_tokens.weight': [v, n], 'model.norm.weight': [n], 'lm_head.weight': [v, n]}
    for i in range(config['num_hidden_layers']):
        p = f'model.layers.{i}.'
        out.update({p + 'input_layernorm.weight': [n], p + 'post_attention_layernorm.weight': [n], p + 'mlp.gate_proj.weight': [f, n],
                    p + 'mlp.up_proj.weight': [f, n], p + 'mlp.down_proj.weight': [n, f]})
        p += 'self_attn.'
        out.update({p + 'time_maa_' + x: [1, 1, n] for x in 'xrkvwg'})
        out.update({p + 'time_maa_w1': [n, 160], p + 'time_maa_w2': [5, 32, n], p + 'time_decay': [1, 1, n], p + 'time_decay_w1': [n, 64],
                    p + 'time_decay_w2': [64, n], p + 'q_proj.weight': [n, n], p + 'q_proj.bias': [n], p + 'k_proj.weight': [kv, n],
                    p + 'k_proj.bias': [kv], p + 'v_proj.weight': [kv, n], p + 'v_proj.bias': [kv], p + 'o_proj.weight': [n, n],
                    p + 'gate.weight': [n, n]})
    return out


BASE = dict(hidden_size=256, num_hidden_layers=2, vocab_size=300)
ROWS = [
    Row('rwkv-6', 'Rwkv6ForCausalLM', bare=True, files=WORLD, tensors=finch, config=dict(
        BASE, model_type='rwkv6', head_size=64, layer_norm_epsilon=1e-5, rescale_every=1, intermediate_size=None, attention_hidden_size=256)),
    Row('rwkv-7', 'RWKV7ForCausalLM', bare=True, files=WORLD, tensors=goose, config=dict(
        BASE, model_type='rwkv7', head_dim=64, norm_eps=1e-5, intermediate_size=1024, decay_low_rank_dim=64, a_low_rank_dim=64,
        v_low_rank_dim=32, gate_low_rank_dim=128)),
    Row('rwkv-7-blocks', 'Rwkv7ForCausalLM', bare=True, files=WORLD, tensors=goose_blocks, config=dict(
        BASE, model_type='rwkv7', head_size=64, layer_norm_epsilon=1e-5, intermediate_size=None, lora_rank_decay=None, lora_rank_iclr=None,
        lora_rank_value_residual_mix=None, lora_rank_gate=None)),
    Row('qrwkv-6', 'RWKV6Qwen2ForCausalLM', tokenizer='gpt-2', tensors=qrwkv, config=dict(
        model_type='rwkv6qwen2', rms_norm_eps=1e-6, lora_rank_tokenshift=32, lora_rank_decay=64)),
    Row('arwkv-7', 'RwkvHybridForCausalLM', tokenizer='gpt-2', tensors=hybrid, config=dict(
        model_type='rwkv_hybrid', rms_norm_eps=1e-6, head_size=64, wkv_has_gate=True, wkv_version=7)),
    Row('arwkv-7-ungated', 'RwkvHybridForCausalLM', tokenizer='gpt-2', tensors=hybrid, config=dict(
        model_type='rwkv_hybrid', rms_norm_eps=1e-6, head_size=64, wkv_has_gate=False, wkv_version=7)),
]
