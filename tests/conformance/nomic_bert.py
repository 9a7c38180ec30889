import json

from conformance import Row, unigram

BASE = dict(model_type='nomic_bert', n_embd=256, n_head=4, n_inner=512, n_layer=2, n_positions=8192, max_trained_positions=2048,
            activation_function='swiglu', causal=False, qkv_proj_bias=False, mlp_fc1_bias=False, mlp_fc2_bias=False,
            prenorm=False, rotary_emb_fraction=1.0, rotary_emb_interleaved=False, rotary_emb_scale_base=None, rotary_emb_base=1000,
            layer_norm_epsilon=1e-12, type_vocab_size=2, pad_vocab_size_multiple=64, vocab_size=30522,
            auto_map={'AutoConfig': 'nomic-ai/nomic-bert-2048--configuration_hf_nomic_bert.NomicBertConfig'})
MOE = dict(BASE, activation_function='gelu', qkv_proj_bias=True, mlp_fc1_bias=True, mlp_fc2_bias=True, moe_every_n_layers=2, moe_top_k=2,
           num_experts=4, n_positions=2048, pad_token_id=1, rotary_emb_base=10000, type_vocab_size=1, vocab_size=402)


def tensors(config):
    n, f, moe = config['n_embd'], config['n_inner'], config.get('moe_every_n_layers')
    out = {'embeddings.word_embeddings.weight': [config['vocab_size'], n],
           'embeddings.token_type_embeddings.weight': [config['type_vocab_size'], n], 'emb_ln.weight': [n], 'emb_ln.bias': [n]}
    for i in range(config['n_layer']):
        p = f'encoder.layers.{i}.'
        out.update({p + 'attn.Wqkv.weight': [3 * n, n], p + 'attn.out_proj.weight': [n, n], p + 'norm1.weight': [n],
                    p + 'norm1.bias': [n], p + 'norm2.weight': [n], p + 'norm2.bias': [n]})
        if not moe:
            out.update({p + 'mlp.fc11.weight': [f, n], p + 'mlp.fc12.weight': [f, n], p + 'mlp.fc2.weight': [n, f]})
            continue
        out.update({p + 'attn.Wqkv.bias': [3 * n], p + 'attn.out_proj.bias': [n]})
        if i % moe == 1:
            e = config['num_experts']
            out.update({p + 'mlp.experts.mlp.w1': [e * f, n], p + 'mlp.experts.mlp.w2': [e * f, n], p + 'mlp.experts.bias': [n],
                        p + 'mlp.router.layer.weight': [e, n]})
        else:
            out.update({p + 'mlp.fc1.weight': [f, n], p + 'mlp.fc1.bias': [f], p + 'mlp.fc2.weight': [n, f], p + 'mlp.fc2.bias': [n]})
    return out


def unigram_json(size):
    """An XLM-R tokenizer.json."""
    vocab = [['<s>', 0.0], ['<pad>', 0.0], ['</s>', 0.0], ['<unk>', 0.0]] + [[f'▁w{i}', -float(i)] for i in range(4, size - 1)]
    vocab.append(['<mask>', 0.0])
    added = [dict(id=i, content=t, single_word=False, lstrip=t == '<mask>', rstrip=False, normalized=False, special=True)
             for i, t in ((0, '<s>'), (1, '<pad>'), (2, '</s>'), (3, '<unk>'), (size - 1, '<mask>'))]
    return json.dumps(dict(
        version='1.0', truncation=None, padding=None, added_tokens=added,
        normalizer=dict(type='Precompiled', precompiled_charsmap='BAAAAGFiY2QA'),
        pre_tokenizer=dict(type='Metaspace', replacement='▁', add_prefix_space=True),
        post_processor=None, decoder=dict(type='Metaspace', replacement='▁', add_prefix_space=True),
        model=dict(type='Unigram', unk_id=3, vocab=vocab)))


def tokenizer(size):
    return {'tokenizer.json': unigram_json(size), 'tokenizer_config.json': json.dumps(dict(
        tokenizer_class='XLMRobertaTokenizer', bos_token='<s>', eos_token='</s>', sep_token='</s>', cls_token='<s>', unk_token='<unk>',
        pad_token='<pad>', mask_token='<mask>', clean_up_tokenization_spaces=True, model_max_length=512))}


ROWS = [
    Row('nomic-1.5', 'NomicBertModel', tokenizer='minilm', bare=True, tensors=tensors, config=BASE),
    Row('nomic-unigram', 'NomicBertModel', bare=True, tensors=tensors, config=dict(BASE, vocab_size=402, pad_token_id=1, type_vocab_size=1),
        files=tokenizer(402)),
    Row('nomic-2-moe', 'NomicBertModel', bare=True, tensors=tensors, config=dict(MOE, vocab_size=250048),
        files=dict(tokenizer(402), **{'sentencepiece.bpe.model': unigram(402, ('<unk>', '<s>', '</s>'), unknown=0)})),
]
