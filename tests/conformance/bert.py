from conformance import Row

POOLING = {
    'modules.json': '[{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}, '
                    '{"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]',
    '1_Pooling/config.json': '{"word_embedding_dimension": 256, "pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true}',
}
LABELS = dict(id2label={i: f'label {i}' for i in range(12)}, label2id={f'label {i}': i for i in range(12)})

ROWS = [
    Row('bert', 'BertModel', tokenizer='minilm', files=POOLING),
    Row('bert-mlm', 'BertForMaskedLM', tokenizer='minilm'),
    Row('bert-reranker', 'BertForSequenceClassification', tokenizer='minilm', config=dict(num_labels=1)),
    Row('bert-classifier', 'BertForSequenceClassification', tokenizer='minilm', config=LABELS),
    Row('distilbert', 'DistilBertModel', tokenizer='minilm', config=dict(dim=256, hidden_dim=512, n_layers=2, n_heads=4)),
    Row('distilbert-mlm', 'DistilBertForMaskedLM', tokenizer='minilm', config=dict(dim=256, hidden_dim=512, n_layers=2, n_heads=4)),
    Row('jina-2', 'JinaBertModel', tokenizer='minilm', config=dict(
        model_type='bert', hidden_size=256, intermediate_size=512, num_hidden_layers=2, num_attention_heads=4, type_vocab_size=2,
        max_position_embeddings=8192, position_embedding_type='alibi', feed_forward_type='geglu', layer_norm_eps=1e-12,
        auto_map={'AutoConfig': 'configuration_bert.JinaBertConfig', 'AutoModel': 'modeling_bert.JinaBertModel'}),
        tensors=lambda config: jina2(config)),
]


def jina2(config):
    n, f = config['hidden_size'], config['intermediate_size']
    out = {'embeddings.word_embeddings.weight': [config['vocab_size'], n], 'embeddings.token_type_embeddings.weight': [2, n],
           'embeddings.LayerNorm.weight': [n], 'embeddings.LayerNorm.bias': [n], 'pooler.dense.weight': [n, n], 'pooler.dense.bias': [n]}
    for i in range(config['num_hidden_layers']):
        p = f'encoder.layer.{i}.'
        for part in ('attention.self.query', 'attention.self.key', 'attention.self.value', 'attention.output.dense'):
            out.update({p + part + '.weight': [n, n], p + part + '.bias': [n]})
        for norm in ('attention.output.LayerNorm', 'mlp.layernorm'):
            out.update({p + norm + '.weight': [n], p + norm + '.bias': [n]})
        out.update({p + 'mlp.gated_layers.weight': [2 * f, n], p + 'mlp.wo.weight': [n, f], p + 'mlp.wo.bias': [n]})
    return out
