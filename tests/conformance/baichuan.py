from conformance import Row


def tensors(config):
    n, kv = config['hidden_size'], config['hidden_size'] // config['num_attention_heads'] * config.get(
        'num_key_value_heads', config['num_attention_heads'])
    out = {'model.embed_tokens.weight': [config['vocab_size'], n], 'model.norm.weight': [n],
           'lm_head.weight': [config['vocab_size'], n]}
    for i in range(config['num_hidden_layers']):
        p = f'model.layers.{i}.'
        if config['model_type'] == 'baichuan':
            out[p + 'self_attn.W_pack.weight'] = [3 * n, n]
        else:
            for part, rows in (('q', n), ('k', kv), ('v', kv)):
                out[f'{p}self_attn.{part}_proj.weight'] = [rows, n]
        out[p + 'self_attn.o_proj.weight'] = [n, n]
        for part in ('gate', 'up'):
            out[f'{p}mlp.{part}_proj.weight'] = [config['intermediate_size'], n]
        out[p + 'mlp.down_proj.weight'] = [n, config['intermediate_size']]
        for norm in ('input_layernorm', 'post_attention_layernorm'):
            out[f'{p}{norm}.weight'] = [n]
            if config['model_type'] == 'orion':
                out[f'{p}{norm}.bias'] = [n]
    if config['model_type'] == 'orion':
        out['model.norm.bias'] = [n]
    if config['model_type'] != 'xverse':
        out['model.layers.0.self_attn.rotary_emb.inv_freq'] = ([32], 'float32')
    return out


def remote(kind, name, **more):
    return dict(model_type=kind, hidden_act='silu', rms_norm_eps=1e-6, pad_token_id=0, tie_word_embeddings=False,
                auto_map={'AutoConfig': f'configuration_{kind}.{name}Config',
                          'AutoModelForCausalLM': f'modeling_{kind}.{name}ForCausalLM'}, **more)


ROWS = [
    Row('baichuan2-7b', 'BaichuanForCausalLM', tokenizer='tiny', tensors=tensors, config=remote(
        'baichuan', 'Baichuan', model_max_length=4096, num_key_value_heads=4, z_loss_weight=0)),
    Row('baichuan-7b', 'BaiChuanForCausalLM', tokenizer='tiny', tensors=tensors, config=remote(
        'baichuan', 'BaiChuan', num_key_value_heads=4)),
    Row('orion-14b', 'OrionForCausalLM', tokenizer='tiny', tensors=tensors, config=remote(
        'orion', 'Orion', max_sequence_length=4096, num_key_value_heads=4, pretraining_tp=1)),
    Row('xverse-7b', 'XverseForCausalLM', tokenizer='gpt-2', tensors=tensors, config=remote(
        'xverse', 'Xverse', num_key_value_heads=4, max_tokenizer_truncation=6144)),
]
