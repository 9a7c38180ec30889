from conformance import Row


def llada(config):
    n, kv = config['d_model'], config['d_model'] // config['n_heads'] * config['n_kv_heads']
    p = 'model.transformer.'
    out = {p + 'wte.weight': [config['embedding_size'], n], p + 'ln_f.weight': [n],
           p + 'ff_out.weight': [config['embedding_size'], n]}
    for i in range(config['n_layers']):
        q = f'{p}blocks.{i}.'
        out |= {q + 'q_proj.weight': [n, n], q + 'k_proj.weight': [kv, n], q + 'v_proj.weight': [kv, n],
                q + 'attn_out.weight': [n, n], q + 'ff_proj.weight': [config['mlp_hidden_size'], n],
                q + 'up_proj.weight': [config['mlp_hidden_size'], n],
                q + 'ff_out.weight': [n, config['mlp_hidden_size']], q + 'attn_norm.weight': [n], q + 'ff_norm.weight': [n]}
    return out


def experts(config):
    n = config['hidden_size']
    out = {'model.embed_tokens.weight': [config['vocab_size'], n], 'model.norm.weight': [n],
           'lm_head.weight': [config['vocab_size'], n]}
    for i in range(config['num_hidden_layers']):
        p = f'model.layers.{i}.'
        for part in 'qkvo':
            out[f'{p}self_attn.{part}_proj.weight'] = [n, n]
        out |= {p + 'self_attn.q_norm.weight': [64], p + 'self_attn.k_norm.weight': [64],
                p + 'mlp.gate.weight': [config['num_experts'], n], p + 'input_layernorm.weight': [n],
                p + 'post_attention_layernorm.weight': [n]}
        for e in range(config['num_experts']):
            out |= {f'{p}mlp.experts.{e}.gate_proj.weight': [256, n], f'{p}mlp.experts.{e}.up_proj.weight': [256, n],
                    f'{p}mlp.experts.{e}.down_proj.weight': [n, 256]}
    return out


def dream(config):
    n, kv = config['hidden_size'], 128
    out = {'model.embed_tokens.weight': [config['vocab_size'], n], 'model.norm.weight': [n],
           'lm_head.weight': [config['vocab_size'], n]}
    for i in range(config['num_hidden_layers']):
        p = f'model.layers.{i}.'
        for part, rows in (('q', n), ('k', kv), ('v', kv)):
            out |= {f'{p}self_attn.{part}_proj.weight': [rows, n], f'{p}self_attn.{part}_proj.bias': [rows]}
        out |= {p + 'self_attn.o_proj.weight': [n, n], p + 'mlp.gate_proj.weight': [512, n],
                p + 'mlp.up_proj.weight': [512, n], p + 'mlp.down_proj.weight': [n, 512],
                p + 'input_layernorm.weight': [n], p + 'post_attention_layernorm.weight': [n]}
    return out


ROWS = [
    Row('llada-8b', 'LLaDAModelLM', tokenizer='gpt-2', bare=True, tensors=llada, config=dict(
        model_type='llada', d_model=256, n_heads=4, n_kv_heads=2, n_layers=2, mlp_hidden_size=512, mlp_ratio=4,
        max_sequence_length=4096, embedding_size=50264, rms_norm_eps=1e-5, rope=True, rope_theta=500000.0,
        weight_tying=False, block_type='llama', eos_token_id=126081, pad_token_id=126081, vocab_size=50264)),
    Row('llada-moe', 'LLaDAMoEModelLM', tokenizer='gpt-2', tensors=experts, config=dict(
        model_type='llada', head_dim=64, num_experts=4, num_experts_per_tok=2, expert_intermediate_size=256,
        num_key_value_heads=4, qk_layernorm=True, rms_norm_eps=1e-5, rope_theta=50000, rope_scaling=None,
        norm_topk_prob=None, moe_layer_freq=[1, 1], dense_intermediate_size=512, shared_expert_intermediate_size=None)),
    Row('dream-7b', 'DreamModel', tokenizer='gpt-2', tensors=dream, config=dict(
        model_type='Dream', mask_token_id=151666, rms_norm_eps=1e-6, rope_theta=1000000.0, rope_scaling=None,
        sliding_window=None, use_sliding_window=False, hidden_act='silu', tie_word_embeddings=False,
        vocab_size=50304)),
]
