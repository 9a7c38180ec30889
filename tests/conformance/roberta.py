from conformance import Row, unigram

SPECIALS = ('<unk>', '<s>', '</s>')
PIECES = {'sentencepiece.bpe.model': unigram(400, SPECIALS, unknown=0)}
# XLM-R: a <mask> behind the pieces, one more token in front
XLMR = dict(vocab_size=402, pad_token_id=1, bos_token_id=0, eos_token_id=2, max_position_embeddings=514, type_vocab_size=1,
            layer_norm_eps=1e-5)


def jina3(config):
    n, f = config['hidden_size'], config['intermediate_size']
    adapters = len(config['lora_adaptations'])

    def lora(name, out, inner):
        p = name + '.parametrizations.weight.'
        return {p + 'original': [out, inner], p + '0.lora_A': [adapters, 4, inner], p + '0.lora_B': [adapters, out, 4]}

    out = {'roberta.emb_ln.weight': [n], 'roberta.emb_ln.bias': [n],
           **lora('roberta.embeddings.word_embeddings', config['vocab_size'], n),
           **lora('roberta.embeddings.token_type_embeddings', 1, n), **lora('roberta.pooler.dense', n, n),
           'roberta.pooler.dense.bias': [n]}
    for i in range(config['num_hidden_layers']):
        p = f'roberta.encoder.layers.{i}.'
        for name, rows, columns in (('mixer.Wqkv', 3 * n, n), ('mixer.out_proj', n, n), ('mlp.fc1', f, n), ('mlp.fc2', n, f)):
            out.update({**lora(p + name, rows, columns), p + name + '.bias': [rows]})
        for norm in ('norm1', 'norm2'):
            out.update({p + norm + '.weight': [n], p + norm + '.bias': [n]})
    return out


TASKS = ['retrieval.query', 'text-matching']
ROWS = [
    Row('roberta', 'RobertaModel', tokenizer='gpt-2', config=dict(pad_token_id=1, max_position_embeddings=514, type_vocab_size=1)),
    Row('roberta-classifier', 'RobertaForSequenceClassification', tokenizer='gpt-2',
        config=dict(pad_token_id=1, max_position_embeddings=514, num_labels=3)),
    Row('xlm-roberta', 'XLMRobertaModel', config=XLMR, files=PIECES),
    Row('bge-reranker', 'XLMRobertaForSequenceClassification', config=dict(XLMR, num_labels=1), files=PIECES),
    Row('jina-3', 'XLMRobertaModel', files=PIECES, tensors=jina3, config=dict(
        XLMR, model_type='xlm-roberta', max_position_embeddings=8194, position_embedding_type='rotary', rotary_emb_base=20000.0,
        lora_adaptations=TASKS, lora_alpha=1, lora_rank=4, task_instructions={t: t + ': ' for t in TASKS},
        auto_map={'AutoConfig': 'jinaai/xlm-roberta-flash-implementation--configuration_xlm_roberta.XLMRobertaFlashConfig'})),
]
