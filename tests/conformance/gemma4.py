import json

from conformance import Row

ADDED = ['<pad>', '<eos>', '<bos>', '<unk>', '<|channel>', '<channel|>', '<|tool_call>', '<tool_call|>', '<|turn>', '<turn|>']


def tokenizer():
    """Byte-level fallback and the decoder that Gemma 4 has, over a handful of tokens."""
    vocab = {text: i for i, text in enumerate(ADDED)}
    for text in [f'<0x{i:02X}>' for i in range(256)] + ['▁', *'abcdefghijklmnopqrstuvwxyz', 'th', 'the', '▁the']:
        vocab[text] = len(vocab)
    special = [dict(id=i, content=text, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
               for i, text in enumerate(ADDED)]
    model = dict(type='BPE', dropout=None, unk_token='<unk>', continuing_subword_prefix=None, end_of_word_suffix=None,
                 fuse_unk=True, byte_fallback=True, ignore_merges=False, vocab=vocab,
                 merges=[['t', 'h'], ['th', 'e'], ['▁', 'the']])
    decoder = dict(type='Sequence', decoders=[dict(type='Replace', pattern=dict(String='▁'), content=' '),
                                              dict(type='ByteFallback'), dict(type='Fuse')])
    return json.dumps(dict(
        version='1.0', truncation=None, padding=None, added_tokens=special,
        normalizer=dict(type='Replace', pattern=dict(String=' '), content='▁'),
        pre_tokenizer=dict(type='Split', pattern=dict(String=' '), behavior='MergedWithPrevious', invert=False),
        post_processor=None, decoder=decoder, model=model), ensure_ascii=False)


FILES = {
    'tokenizer.json': tokenizer(),
    'tokenizer_config.json': json.dumps(dict(tokenizer_class='GemmaTokenizer', bos_token='<bos>', eos_token='<eos>',
                                             pad_token='<pad>', unk_token='<unk>')),
}
TEXT = dict(vocab_size=320, head_dim=64, global_head_dim=128, num_hidden_layers=3, num_kv_shared_layers=0,
            layer_types=['sliding_attention', 'sliding_attention', 'full_attention'], num_global_key_value_heads=1,
            hidden_size_per_layer_input=0, bos_token_id=2, eos_token_id=1)

ROWS = [
    Row('gemma-4', 'Gemma4ForCausalLM', config=TEXT, files=FILES),
    Row('gemma-4-moe', 'Gemma4ForCausalLM', files=FILES, config=dict(
        TEXT, enable_moe_block=True, num_experts=4, top_k_experts=2, moe_intermediate_size=256, attention_k_eq_v=True)),
    Row('gemma-4-small', 'Gemma4ForCausalLM', files=FILES, config=dict(
        TEXT, hidden_size_per_layer_input=32, vocab_size_per_layer_input=320, num_kv_shared_layers=2,
        use_double_wide_mlp=True, num_hidden_layers=4, layer_types=['sliding_attention', 'full_attention'] * 2)),
]
