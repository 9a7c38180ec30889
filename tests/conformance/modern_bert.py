from conformance import Row

NEO = dict(model_type='neobert', hidden_size=256, intermediate_size=768, num_hidden_layers=2, num_attention_heads=4, max_length=4096,
           norm_eps=1e-5, pad_token_id=0, auto_map={'AutoConfig': 'model.NeoBERTConfig', 'AutoModel': 'model.NeoBERT'})


def neo(config):
    n, f = config['hidden_size'], 2 * config['intermediate_size'] // 3
    out = {'model.encoder.weight': [config['vocab_size'], n], 'model.layer_norm.weight': [n], 'decoder.weight': [8, n]}
    for i in range(config['num_hidden_layers']):
        p = f'model.transformer_encoder.{i}.'
        out.update({p + 'qkv.weight': [3 * n, n], p + 'wo.weight': [n, n], p + 'attention_norm.weight': [n], p + 'ffn_norm.weight': [n],
                    p + 'ffn.w12.weight': [2 * f, n], p + 'ffn.w3.weight': [n, f]})
    return out


def modern_old(config):
    """ModernBERT as it was released: rope_theta by kind of attention."""
    config.pop('rope_parameters', None)
    config.pop('layer_types', None)
    return dict(config, global_rope_theta=160000.0, local_rope_theta=10000.0, global_attn_every_n_layers=3)


IDS = dict(num_hidden_layers=4, pad_token_id=3, cls_token_id=1, sep_token_id=2, layer_norm_eps=1e-5)
ROWS = [
    Row('modernbert', 'ModernBertModel', tokenizer='gpt-2', config=IDS, released=modern_old),
    Row('modernbert-mlm', 'ModernBertForMaskedLM', tokenizer='gpt-2', config=dict(IDS, hidden_activation='silu')),
    Row('modernbert-reranker', 'ModernBertForSequenceClassification', tokenizer='gpt-2', config=dict(IDS, num_labels=1)),
    Row('neobert', 'NeoBERT', tokenizer='minilm', config=NEO, tensors=neo),
    Row('eurobert', 'EuroBertModel', tokenizer='llama-3.1'),
]
