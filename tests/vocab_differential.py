#!/usr/bin/env python3
"""Vocabularies of made-up tokenizer directories, ours and the reference's, compared line by line.

    vocab_differential.py VOCAB_DUMP [--count N] [--seed N] [--keep DIR] [--verbose] [--only KIND]

Small tokenizers are built here (byte-level BPE, SentencePiece-like BPE, WordPiece, SentencePiece models) and
their files varied at random: classes, special tokens, added tokens with all flags, pipelines, chat templates,
old files, damage. Where the reference fails we must fail too, and where it does not the answers are equal.
Exit 77 where the reference is not installed.
"""
import argparse, base64, json, os, random, shutil, struct, subprocess, sys, tempfile
from pathlib import Path

ROOT = Path(os.environ.get('QUANTFS_REFERENCE', Path.home() / '.cache/quantfs-reference'))
HERE = Path(__file__).resolve().parent


def byte_characters():
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table, extra = {b: chr(b) for b in plain}, 256
    for b in range(256):
        if b not in table:
            table[b], extra = chr(extra), extra + 1
    return table


BYTES = byte_characters()


def spell(text):
    return ''.join(BYTES[b] for b in text.encode())


WORDS = ("the hello world he's there told you sure make it like some tea multiple emojis concatenated normal apple in on 33 333 "
         "quick brown fox jumps lazy dog we've we'll не на български កាន់ 我想在 作 ing un der case").split()


def bpe(r, alphabet, words):
    """A vocabulary and merges: every word is built up from the left or from the right."""
    vocab = {c: i for i, c in enumerate(alphabet)}
    merges = []
    for word in words:
        parts = [c for c in word]
        if any(p not in vocab for p in parts):
            continue
        while len(parts) > 1:
            i = r.choice([0, len(parts) - 2, r.randrange(len(parts) - 1)])
            pair = (parts[i], parts[i + 1])
            joined = ''.join(pair)
            if joined not in vocab:
                vocab[joined] = len(vocab)
            if pair not in merges:
                merges.append(pair)
            parts[i:i + 2] = [joined]
    return vocab, merges


def byte_level(r):
    alphabet = [BYTES[b] for b in range(256)]
    if r.random() < 0.3:
        r.shuffle(alphabet)
    words = [spell(w) for w in WORDS] + [spell(' ' + w) for w in r.sample(WORDS, 20)] + [spell('\n\n'), spell('   '), spell('......')]
    r.shuffle(words)
    return bpe(r, alphabet, words)


def byte_fallback(r):
    alphabet = ['<unk>', '<s>', '</s>'] + [f'<0x{b:02X}>' for b in range(256)] + ['▁'] + sorted(set(''.join(WORDS)) | set('abcdefghijklmnopqrstuvwxyz .,!?\''))
    words = ['▁' + w for w in WORDS] + r.sample(WORDS, 20) + ['▁▁']
    return bpe(r, alphabet, words)


def wordpiece(r):
    tokens = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'] + list('abcdefghijklmnopqrstuvwxyz0123456789.,!?\'"-=~') + ['##' + c for c in 'abcdefghijklmnopqrstuvwxyz0123456789']
    tokens += r.sample(WORDS, 20) + ['##ing', '##s', '我', '想']
    if r.random() < 0.1:
        tokens.remove('[UNK]')
    return {t: i for i, t in enumerate(dict.fromkeys(tokens))}


SPLITS = [
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{L}&&[^\p{Han}]]+|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s*[\r\n]|\s+(?!\S)|\s",
    r"\w+|[^\w\s]+", r"[\r\n]", r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-Ֆ]+", r"\s?[!-/:-~！-／：-～‘-‟　-。]+", r"\s+$", r"[一-龥ࠀ-一가-퟿]+",
    r"\p{N}", r"[0-9][0-9][0-9]", r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
    r"(?:\d{2,}?|\h+)\b", r"^.|.$", r"[[a-f]&&[^c]]+", r"\p{Letter}+|\p{^L}", r"(?m:.)\B",
]
BEHAVIORS = ['Isolated', 'Removed', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous']


def normalizer(r, depth=0):
    kind = r.choice(['null', 'NFC', 'NFD', 'NFKC', 'NFKD', 'Lowercase', 'StripAccents', 'Replace', 'Prepend', 'Strip', 'Nmt', 'BertNormalizer', 'Sequence', 'ByteLevel'])
    if kind == 'null' and not depth:
        return None
    if kind == 'Replace':
        pattern = r.choice([{'String': r.choice([' ', 'e', '  '])}, {'Regex': r.choice([r'\s+', r' {2,}', r'\d'])}])
        return {'type': kind, 'pattern': pattern, 'content': r.choice(['▁', '', 'xy'])}
    if kind == 'Prepend':
        return {'type': kind, 'prepend': '▁'}
    if kind == 'Strip':
        return {'type': kind, 'strip_left': r.random() < .5, 'strip_right': r.random() < .5}
    if kind == 'BertNormalizer':
        return {'type': kind, 'clean_text': r.random() < .7, 'handle_chinese_chars': r.random() < .7, 'strip_accents': r.choice([None, True, False]), 'lowercase': r.random() < .6}
    if kind == 'Sequence' or kind == 'null':
        return {'type': 'Sequence', 'normalizers': [normalizer(r, 1) for _ in range(r.randrange(3))] if depth < 2 else []}
    return {'type': kind}


def pre_tokenizer(r, depth=0):
    kind = r.choice(['null', 'ByteLevel', 'ByteLevel', 'Split', 'Split', 'Digits', 'Metaspace', 'Whitespace', 'WhitespaceSplit', 'Punctuation', 'BertPreTokenizer', 'Sequence', 'Sequence', 'Delimiter', 'FixedLength'])
    if kind == 'null' and not depth:
        return None
    if kind == 'ByteLevel':
        return {'type': kind, 'add_prefix_space': r.random() < .3, 'trim_offsets': True, **({'use_regex': r.random() < .5} if r.random() < .8 else {})}
    if kind == 'Split':
        pattern = {'Regex': r.choice(SPLITS)} if r.random() < .85 else {'String': r.choice([' ', '3', 'el'])}
        return {'type': kind, 'pattern': pattern, 'behavior': r.choice(BEHAVIORS + ['Isolated'] * 6), 'invert': r.random() < .15}
    if kind == 'Digits':
        return {'type': kind, 'individual_digits': r.random() < .5}
    if kind == 'Metaspace':
        extra = {'add_prefix_space': True} if r.random() < .2 else {}
        return {'type': kind, 'replacement': '▁', 'prepend_scheme': r.choice(['first', 'always', 'never']), 'split': r.random() < .5, **extra}
    if kind == 'Punctuation':
        return {'type': kind, **({'behavior': r.choice(BEHAVIORS)} if r.random() < .7 else {})}
    if kind == 'Delimiter':
        return {'type': r.choice(['CharDelimiterSplit', 'CharDelimiterSplit', 'Delimiter']), 'delimiter': 'e'}
    if kind == 'FixedLength':
        return {'type': kind, 'length': r.choice([1, 3, 7])}
    if kind in ('Sequence', 'null'):
        return {'type': 'Sequence', 'pretokenizers': [pre_tokenizer(r, depth + 1) for _ in range(r.randrange(1, 4))] if depth < 2 else []}
    return {'type': kind}


def decoder(r, depth=0):
    kind = r.choice(['null', 'ByteLevel', 'ByteLevel', 'Sequence', 'Metaspace', 'WordPiece', 'BPEDecoder', 'Fuse', 'ByteFallback', 'Replace', 'Strip'])
    if kind == 'null' and not depth:
        return None
    if kind == 'ByteLevel':
        return {'type': kind, 'add_prefix_space': True, 'trim_offsets': True, 'use_regex': True}
    if kind == 'Metaspace':
        return {'type': kind, 'replacement': '▁', 'prepend_scheme': r.choice(['first', 'always', 'never']), 'split': True}
    if kind == 'WordPiece':
        return {'type': kind, 'prefix': '##', 'cleanup': r.random() < .6}
    if kind == 'BPEDecoder':
        return {'type': kind, 'suffix': '</w>'}
    if kind == 'Replace':
        return {'type': kind, 'pattern': {'String': '▁'}, 'content': ' '}
    if kind == 'Strip':
        return {'type': kind, 'content': ' ', 'start': r.randrange(3), 'stop': 0}
    if kind in ('Sequence', 'null'):
        return {'type': 'Sequence', 'decoders': [decoder(r, depth + 1) for _ in range(r.randrange(4))] if depth < 2 else []}
    return {'type': kind}


def template(ids, single):
    special = {p: {'id': p, 'ids': [ids[p]], 'tokens': [p]} for p in single if p != 'A'}
    piece = lambda p, t: {'Sequence': {'id': p, 'type_id': t}} if p in 'AB' else {'SpecialToken': {'id': p, 'type_id': t}}
    pair = [piece(p, 0) for p in single] + [piece('B' if p == 'A' else p, 1) for p in single if p == 'A' or True]
    return {'type': 'TemplateProcessing', 'single': [piece(p, 0) for p in single], 'pair': pair, 'special_tokens': special}


def processor(r, ids):
    names = list(ids)
    a, b = r.choice(names), r.choice(names)
    kind = r.randrange(9)
    if kind == 0:
        return None
    if kind == 1:
        return {'type': 'ByteLevel', 'add_prefix_space': True, 'trim_offsets': False, 'use_regex': True}
    if kind == 2:
        return {'type': 'RobertaProcessing', 'sep': [a, ids[a]], 'cls': [b, ids[b]], 'trim_offsets': True, 'add_prefix_space': False}
    if kind == 3:
        return {'type': 'BertProcessing', 'sep': [a, ids[a]], 'cls': [b, ids[b]]}
    if kind == 4:
        return {'type': 'Sequence', 'processors': [{'type': 'ByteLevel', 'add_prefix_space': True, 'trim_offsets': False, 'use_regex': True}, template(ids, [a, 'A'])]}
    t = template(ids, r.choice([[a, 'A'], [a, 'A', b], ['A', a], ['A']]))
    if r.random() < .3:   # one, or two separators between A and B
        s = {'SpecialToken': {'id': next((p for p in t['special_tokens']), a), 'type_id': 0}}
        t['special_tokens'].setdefault(s['SpecialToken']['id'], {'id': a, 'ids': [ids[a]], 'tokens': [a]})
        middle = [s] * r.randrange(1, 4)
        t['pair'] = t['single'] + middle + [{'Sequence': {'id': 'B', 'type_id': 1}}]
    return t


def flags(r):
    return {'single_word': r.random() < .15, 'lstrip': r.random() < .15, 'rstrip': r.random() < .15, 'normalized': r.random() < .4, 'special': r.random() < .6}


TOKENS = ['<|endoftext|>', '<|im_start|>', '<|im_end|>', '<tok>', '<pad>', '<mask>', '<unk>', '<s>', '</s>', 'Foo', '▁bar', ' spaced ', '<｜x▁y｜>', '<unused7>', 'É́', '[SEP]', '  ', '\n', 'don\'t .', '[@BOS@]', '<0x0A>']


def token_value(r, names):
    name = r.choice(names + TOKENS)
    kind = r.randrange(12)
    if kind < 8:
        return name
    if kind == 8:
        return None
    if kind == 9:
        return {'__type': 'AddedToken', 'content': name, **{k: v for k, v in flags(r).items() if r.random() < .8 and k != 'special'}}
    if kind == 10:
        return {'content': name, 'lstrip': False} if r.random() < .3 else name
    return name


CLASSES = ['PreTrainedTokenizerFast', 'TokenizersBackend', 'GPT2Tokenizer', 'GPT2TokenizerFast', 'Qwen2Tokenizer', 'Qwen2TokenizerFast', 'LlamaTokenizer', 'LlamaTokenizerFast',
           'GPTNeoXTokenizer', 'GPTNeoXTokenizerFast', 'CohereTokenizer', 'CohereTokenizerFast', 'GemmaTokenizer', 'GemmaTokenizerFast', 'RobertaTokenizer', 'BertTokenizer', 'BertTokenizerFast',
           'DistilBertTokenizer', 'CodeGenTokenizer', 'Qwen3_5Tokenizer', 'BloomTokenizerFast', 'CodeLlamaTokenizer', 'DebertaTokenizer', 'PreTrainedTokenizer', 'NoSuchTokenizer', 'BartTokenizer']
TYPES = ['llama', 'llama', 'qwen2', 'qwen3', 'mistral', 'mixtral', 'gpt2', 'gpt_neox', 'bert', 'roberta', 'gemma3_text', 'cohere', 'olmo2', 'deepseek_v3', 'phi3', 'smollm3', 'no_such_type', None, 'internlm2', 'nvfp4', 'qwen3_5']


def chat_template(r):
    return r.choice(['{{ x }}', '', 'a\r\nb', None, 7, [], [{'name': 'default', 'template': 'd'}, {'name': 'tool use', 'template': 't'}, {'name': 'rag', 'template': ''}],
                     [{'name': 'b', 'template': 'x'}, {'name': 'a', 'template': 'y'}, {'name': 'b', 'template': 'z'}], [{'name': 'default', 'template': None}], [{'template': 'x'}]])


def damage(r, data):
    """Something that is not as it should be, anywhere in a JSON tree."""
    node, path = data, []
    for _ in range(r.randrange(1, 6)):
        keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else []
        keys = [k for k in keys if not (k == 'vocab' and r.random() < .9)]
        if not keys:
            break
        key = r.choice(list(keys)[:40])
        path.append((node, key))
        node = node[key]
    if not path:
        return
    parent, key = path[-1]
    if key == 'type':   # without a type the tokenizers library guesses by the other fields
        parent[key] = 'x'
        return
    value = r.choice([None, 7, -1, 'x', [], {}, True, 1.5, [None], {'type': 'x'}, 'delete'])
    if value == 'delete' and key != 'type':
        del parent[key]
    else:
        parent[key] = value


def write(path, data):
    path.write_text(json.dumps(data, ensure_ascii=r_ascii.random() < .5), encoding='utf-8')


r_ascii = random.Random(0)


def tokenizer_case(r, d):
    """A directory with tokenizer.json; the method to run on it."""
    kind = r.choice(['bytes', 'bytes', 'bytes', 'fallback', 'wordpiece'])
    if kind == 'wordpiece':
        vocab = wordpiece(r)
        model = {'type': 'WordPiece', 'unk_token': '[UNK]', 'continuing_subword_prefix': '##', 'max_input_chars_per_word': r.choice([100, 100, 4]), 'vocab': vocab}
    else:
        vocab, merges = byte_level(r) if kind == 'bytes' else byte_fallback(r)
        model = {'type': 'BPE', 'dropout': None, 'unk_token': '<unk>' if kind == 'fallback' else None, 'continuing_subword_prefix': r.choice([None, '']), 'end_of_word_suffix': r.choice([None, '']),
                 'fuse_unk': r.random() < .5, 'byte_fallback': kind == 'fallback' and r.random() < .8, 'ignore_merges': r.random() < .3, 'vocab': vocab,
                 'merges': [' '.join(m) for m in merges] if r.random() < .5 else [list(m) for m in merges]}
        if r.random() < .3:
            model.pop(r.choice(['fuse_unk', 'byte_fallback', 'ignore_merges', 'dropout']))
    added, known = [], dict(vocab)
    for content in r.sample(TOKENS, r.randrange(8)):
        added.append({'id': known.setdefault(content, len(known)), 'content': content, **flags(r)})
    if kind == 'wordpiece':
        added = [{'id': vocab[t], 'content': t, 'single_word': False, 'lstrip': False, 'rstrip': False, 'normalized': False, 'special': True} for t in list(vocab)[:5]] + added
    ids = {t['content']: t['id'] for t in added} or {next(iter(vocab)): 0}
    usual = {'bytes': ({'type': 'ByteLevel', 'add_prefix_space': False, 'trim_offsets': True, 'use_regex': True}, {'type': 'ByteLevel', 'add_prefix_space': True, 'trim_offsets': True, 'use_regex': True}),
             'fallback': (None, {'type': 'Sequence', 'decoders': [{'type': 'Replace', 'pattern': {'String': '▁'}, 'content': ' '}, {'type': 'ByteFallback'}, {'type': 'Fuse'}, {'type': 'Strip', 'content': ' ', 'start': 1, 'stop': 0}]}),
             'wordpiece': ({'type': 'BertPreTokenizer'}, {'type': 'WordPiece', 'prefix': '##', 'cleanup': True})}[kind]
    data = {'version': '1.0', 'truncation': None, 'padding': None, 'added_tokens': added,
            'normalizer': normalizer(r) if r.random() < .5 else None,
            'pre_tokenizer': pre_tokenizer(r) if r.random() < .6 else usual[0],
            'post_processor': processor(r, ids), 'decoder': decoder(r) if r.random() < .3 else usual[1], 'model': model}
    if r.random() < .1:
        data['padding'] = {'strategy': 'BatchLongest', 'direction': 'Right', 'pad_to_multiple_of': None, 'pad_id': 0, 'pad_type_id': 0, 'pad_token': r.choice(TOKENS)}
    if r.random() < .1:
        data = json.loads(json.dumps(data))
        damage(r, data)
    config = {'architectures': ['LlamaForCausalLM'], 'vocab_size': r.choice([len(known) + 40] * 6 + [len(known), len(vocab)]), 'bos_token_id': r.choice([1, None, 10 ** 6]), 'pad_token_id': r.choice([0, None])}
    if r.random() < .1:
        config.pop('vocab_size')
    if (model_type := r.choice(TYPES)) or r.random() < .5:
        config['model_type'] = model_type
    if r.random() < .1:
        config['tokenizer_class'] = r.choice(CLASSES)
    if r.random() < .05:
        config['_name_or_path'] = r.choice(['deepseek-ai/deepseek-coder-33b', 'DeepSeek-AI/DeepSeek-R1-Distill-Llama-8B', 'x/y'])
    if config.get('model_type') in ('bert', 'roberta'):
        config['type_vocab_size'] = 2
    old = r.random() < .08   # a directory from before tokenizer.json
    if not old:
        write(d / 'tokenizer.json', data)
    if old and kind == 'wordpiece':
        config['model_type'] = 'no_such_type'
        (d / 'vocab.txt').write_text('\n'.join([*vocab, *r.choice([[], [''], ['x  ']])]), encoding='utf-8')
    elif old:
        write(d / 'vocab.json', {**vocab, **({'x y': 1.5} if r.random() < .05 else {})})
        (d / 'merges.txt').write_text(r.choice(['#version: 0.2\n', '']) + '\n'.join(' '.join(m) for m in merges) + r.choice(['\n', '', '\n\n']), encoding='utf-8')
        config['model_type'] = 'no_such_type'
    write(d / 'config.json', config)
    names = list(ids)
    tc = {}
    if r.random() < .85:
        own = {'bytes': CLASSES, 'fallback': ['LlamaTokenizer', 'LlamaTokenizerFast', 'CodeLlamaTokenizer', 'GemmaTokenizer', 'PreTrainedTokenizerFast'], 'wordpiece': ['BertTokenizer', 'BertTokenizerFast', 'DistilBertTokenizer', 'MPNetTokenizer', 'PreTrainedTokenizerFast']}[kind]
        tc['tokenizer_class'] = r.choice(own if r.random() < .9 else CLASSES)
    for name in ('bos', 'eos', 'unk', 'pad', 'sep', 'cls', 'mask'):
        if r.random() < .4:
            tc[f'{name}_token'] = token_value(r, names)
        if r.random() < .15:
            tc[f'add_{name}_token'] = r.choice([True, False, True, False, None, 1])
    for key, values in (('add_prefix_space', [True, False, None]), ('legacy', [True, False, None]), ('do_lower_case', [True, False]), ('strip_accents', [True, False, None]), ('tokenize_chinese_chars', [True, False]),
                        ('clean_up_tokenization_spaces', [True, False]), ('split_special_tokens', [True, False]), ('model_max_length', [512])):
        if r.random() < .15:
            tc[key] = r.choice(values)
    if r.random() < .2:
        tc['additional_special_tokens'] = [token_value(r, names) for _ in range(r.randrange(3))] if r.random() < .9 else None
    if r.random() < .1:
        tc['extra_special_tokens'] = r.choice([{}, {'image_token': '<img>', 'boi_token': '<tok>'}, ['<extra>', '<tok>'], None])
    if r.random() < .1:
        tc['image_token'] = r.choice(['<img>', '<tok>', {'__type': 'AddedToken', 'content': '<img2>', 'normalized': True}])
    if r.random() < .4:
        listed = r.sample(added, r.randrange(len(added) + 1)) if added else []
        tc['added_tokens_decoder'] = {str(t['id']): {k: v for k, v in {**t, **(flags(r) if r.random() < .3 else {})}.items() if k != 'id' and (k == 'content' or r.random() < .9)} for t in listed}
        if r.random() < .3:
            tc['added_tokens_decoder'][str(len(known) + r.randrange(5))] = {'content': r.choice(TOKENS + ['<new>']), **flags(r)}
    if r.random() < .4:
        tc['chat_template'] = chat_template(r)
    if r.random() < .05:
        tc['auto_map'] = {'AutoTokenizer': ['a.B', None]} if r.random() < .5 else {}
    if r.random() < .03:
        damage(r, tc)
    if old:
        tc['tokenizer_class'] = r.choice(['BertTokenizer', 'DistilBertTokenizerFast'] if kind == 'wordpiece' else ['GPT2Tokenizer', 'Qwen2Tokenizer', 'GPTNeoXTokenizer', 'CohereTokenizer', 'RobertaTokenizer'])
    if r.random() < .92 or old:
        write(d / 'tokenizer_config.json', tc)
    if r.random() < .15:
        special = {f'{n}_token': r.choice([r.choice(names + TOKENS), {'content': r.choice(names + TOKENS), 'lstrip': r.random() < .3, 'rstrip': False, 'normalized': r.random() < .5, 'single_word': False}]) for n in r.sample(['bos', 'eos', 'unk', 'pad', 'cls', 'sep', 'mask'], 3)}
        if r.random() < .3:
            special['additional_special_tokens'] = r.sample(TOKENS, 2)
        write(d / 'special_tokens_map.json', special)
    if r.random() < .08:
        write(d / 'added_tokens.json', {t: known.get(t, len(known) + i) for i, t in enumerate(r.sample(TOKENS, 3))})
    templates(r, d)
    if r.random() < .85:
        return r.choice(['tokenizer'] * 5 + ['special'])
    return {'bytes': r.choice(['gpt2', 'gpt2', 'llama', 'sentencepiece_or_gpt2']), 'fallback': r.choice(['llama', 'gpt2']), 'wordpiece': r.choice(['bert', 'bert', 'gpt2'])}[kind]


def templates(r, d):
    if r.random() < .15:
        (d / 'chat_template.jinja').write_bytes(r.choice([b'{{ jinja }}', b'a\r\nb\rc', b'', b'\xff' if r.random() < .2 else b'x', b'\xef\xbb\xbfx']))
        if r.random() < .4:
            (d / 'additional_chat_templates').mkdir()
            (d / 'additional_chat_templates' / r.choice(['rag.jinja', 'tool-use.jinja', '.jinja', 'x.txt'])).write_text('additional')
    if r.random() < .1:
        (d / 'chat_template.json').write_text(r.choice(['{"chat_template": "from json"}', '{}', '[]' if r.random() < .3 else '{"chat_template": null}']))


def varint(n):
    out = b''
    n &= (1 << 64) - 1
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def field(number, wire, data):
    return varint(number << 3 | wire) + (varint(len(data)) + data if wire == 2 else data)


def sentencepiece(r):
    pieces = [('<unk>', 0.0, 2), ('<s>', 0.0, 3), ('</s>', 0.0, 3)]
    fallback = r.random() < .6
    if fallback:
        pieces += [(f'<0x{b:02X}>', 0.0, 6) for b in range(256)]
    pieces += [('▁' + w, -float(i) - r.random(), r.choice([1, 1, 1, 1, 4, 5])) for i, w in enumerate(WORDS)] + [('▁', -5.0, 1), ('a', -6.0, 1)]
    if r.random() < .1:
        r.shuffle(pieces)
    if r.random() < .1:
        pieces.append(r.choice([('<unk>', 0.0, 1), ('▁the', 0.0, 1), ('', 0.0, 1), ('b', 0.0, 2), ('<0x00>', 0.0, 6), ('x', float('nan'), 1), ('y', float('-inf'), 0), ('<s>', 0., 4)]))
    data = b''
    for text, score, kind in pieces:
        inner = field(1, 2, text.encode()) + field(2, 5, struct.pack('<f', score))
        if kind != 1 or r.random() < .3:
            inner += field(3, 0, varint(kind))
        data += field(1, 2, inner)
    trainer = field(3, 0, varint(r.choice([1, 2, 2, 3, 4]))) + (field(35, 0, varint(1)) if fallback else b'')
    data += field(2, 2, trainer) + (field(3, 2, field(3, 0, varint(r.randrange(2)))) if r.random() < .5 else b'')
    if r.random() < .1:
        data += field(r.choice([1, 2, 3, 17]), 2, r.randbytes(r.randrange(12)))
    if r.random() < .05:
        data = data[:r.randrange(len(data))]
    return data, len(pieces)


def sentencepiece_case(r, d):
    data, count = sentencepiece(r)
    (d / 'tokenizer.model').write_bytes(data)
    config = {'architectures': ['LlamaForCausalLM'], 'model_type': r.choice(['llama', 'mistral', 'foo']), 'vocab_size': r.choice([count, count + 7, count - 3, None, 0, 32016, 49152, '5', 7.0]), 'bos_token_id': r.choice([1, None, [1]]), 'eos_token_id': r.choice([2, [2, 3], 10 ** 7, -1 if r.random() < .1 else 3])}
    if r.random() < .1:
        config.pop('vocab_size')
    if r.random() < .1:
        config['text_config'] = {'vocab_size': count + 2, 'pad_token_id': 1}
    write(d / 'config.json', config)
    tc = {}
    for name in ('bos', 'eos', 'unk', 'pad', 'sep', 'cls', 'mask'):
        if r.random() < .3:
            tc[f'{name}_token'] = token_value(r, ['<s>', '</s>', '<unk>'])
        if r.random() < .2:
            tc[f'add_{name}_token'] = r.choice([True, False, None])
    if r.random() < .3:
        tc['add_prefix_space'] = r.choice([True, False, None, 0, 'x'])
    if r.random() < .5:
        tc['added_tokens_decoder'] = {r.choice([str(i), f' {i} ', f'+{i}', str(-i), 'x', '1_0'] if r.random() < .1 else [str(i)]): {'content': r.choice(TOKENS), **({'special': r.choice([True, False, 1, None])} if r.random() < .8 else {})} for i in r.sample(range(count + 12), r.randrange(8))}
        if r.random() < .05:
            damage(r, tc['added_tokens_decoder'])
    if r.random() < .3:
        tc['chat_template'] = chat_template(r)
    if r.random() < .03:
        damage(r, tc)
    if r.random() < .85:
        write(d / 'tokenizer_config.json', tc)
    if r.random() < .2:
        write(d / 'added_tokens.json', {t: r.choice([count + i, i, -1, -count * 2 if r.random() < .1 else 5]) for i, t in enumerate(r.sample(TOKENS, 3))})
    if r.random() < .2:
        added = [{'id': i, 'content': t, **flags(r)} for i, t in enumerate(r.sample(TOKENS, 5))]
        ids = {t['content']: t['id'] for t in added}
        write(d / 'tokenizer.json', {'added_tokens': added, 'normalizer': normalizer(r), 'post_processor': processor(r, ids), 'model': {}})
    templates(r, d)
    method = r.choice(['llama', 'llama', 'sentencepiece', 'sentencepiece_or_gpt2', 't5', 'xlmroberta', 'phi3', 'internlm2', 'internlm3', 'arctic'])
    if method == 'xlmroberta' or (method == 't5' and r.random() < .5):
        (d / 'tokenizer.model').rename(d / {'xlmroberta': 'sentencepiece.bpe.model', 't5': 'spiece.model'}[method])
    if method == 'phi3' and r.random() < .8 and isinstance(tc, dict):
        write(d / 'tokenizer_config.json', {**tc, 'tokenizer_class': 'LlamaTokenizer'})
    return method


CHARSMAPS = []


def charsmap(r):
    """SentencePiece's own rules, in base64."""
    if not CHARSMAPS:
        code = ('import base64, sentencepiece as s; from sentencepiece import sentencepiece_model_pb2 as m\n'
                'for rule in ("nmt_nfkc", "nfkc_cf"):\n p = m.ModelProto(); p.ParseFromString(s.SentencePieceNormalizer(rule_name=rule).serialized_model_proto())\n'
                ' print(base64.b64encode(p.normalizer_spec.precompiled_charsmap).decode())')
        CHARSMAPS.extend(subprocess.run([ROOT / 'venv/bin/python', '-c', code], capture_output=True, text=True, check=True).stdout.split())
    return r.choice(CHARSMAPS)


def unigram_case(r, d):
    """tokenizer.json as XLM-RoBERTa has it, or a WordLevel one."""
    fallback = r.random() < .2
    pieces = [['<s>', 0.0], ['<pad>', 0.0], ['</s>', 0.0], ['<unk>', 0.0], [',', -3.5], ['▁', -4.0 if r.random() < .9 else -4], ['s', -5.1]]
    pieces += [['▁' + w, -6.0 - i / 7] for i, w in enumerate(WORDS)] + [[c, -9.0 - i / 3] for i, c in enumerate(sorted(set(''.join(WORDS))))]
    pieces += [[f'<0x{b:02X}>', -20.0] for b in range(256)] if fallback else []
    if r.random() < .05:
        pieces.append(r.choice([['▁the', -1.0], ['x'], ['x', 'y'], ['', 0.0]]))
    vocab = {}
    for t, _ in (x if len(x) == 2 else ['?', 0] for x in pieces):
        vocab[t] = len(vocab)
    names = [*vocab][:4] + ['<mask>', '<new>', 'the', '▁the']
    added = [{'id': vocab.get(n, len(pieces) + i), 'content': n, **({'single_word': False, 'lstrip': n == '<mask>', 'rstrip': False, 'normalized': False, 'special': True} if r.random() < .8 else flags(r))} for i, n in enumerate(names[:r.choice([4, 5, 5, 6, 8])])]
    ids = {t['content']: t['id'] for t in added}
    pre = {'type': 'Metaspace', 'replacement': '▁', 'prepend_scheme': 'always', 'split': True}
    norm = {'type': 'Precompiled', 'precompiled_charsmap': charsmap(r)}
    norm = r.choice([norm] * 6 + [{'type': 'Sequence', 'normalizers': [norm, {'type': 'Replace', 'pattern': {'Regex': ' {2,}'}, 'content': ' '}]}, None, {'type': 'NFKC'}])
    data = {'version': '1.0', 'truncation': None, 'padding': None, 'added_tokens': added, 'normalizer': norm, 'pre_tokenizer': r.choice([pre, {'type': 'Sequence', 'pretokenizers': [{'type': 'WhitespaceSplit'}, pre]}]),
            'post_processor': template(ids, ['<s>', 'A', '</s>']), 'decoder': pre, 'model': {'type': 'Unigram', 'unk_id': r.choice([3, 3, 3, 3, 0, None, 9999 if r.random() < .1 else 3]), 'vocab': pieces, 'byte_fallback': fallback}}
    wordlevel = r.random() < .15
    if wordlevel:
        words = {w: i for i, w in enumerate(dict.fromkeys(['<s>', '<pad>', '</s>', '<unk>', *WORDS]))}
        data['model'] = {'type': 'WordLevel', 'vocab': words, 'unk_token': r.choice(['<unk>', '<unk>', 'nope'])}
        data['pre_tokenizer'] = {'type': 'Whitespace'}
    if r.random() < .05:
        damage(r, data)
    write(d / 'tokenizer.json', data)
    kind = 'llama' if wordlevel and r.random() < .5 else r.choice(['xlm-roberta', 'xlm-roberta', 'nomic_bert'])
    config = {'architectures': ['XLMRobertaModel'], 'model_type': kind, 'vocab_size': r.choice([len(pieces) + 12, len(pieces), 5, 0]), 'type_vocab_size': r.choice([1, 2]), 'pad_token_id': 1}
    if r.random() < .2:
        config.pop(r.choice(['vocab_size', 'type_vocab_size']))
    write(d / 'config.json', config)
    tc = {'tokenizer_class': r.choice(['PreTrainedTokenizerFast', 'TokenizersBackend'] if wordlevel else ['XLMRobertaTokenizer', 'XLMRobertaTokenizerFast', 'XLMRobertaTokenizer', 'PreTrainedTokenizerFast', 'CamembertTokenizer', 'T5Tokenizer'])}
    for name in ('bos', 'eos', 'unk', 'pad', 'sep', 'cls', 'mask'):
        if r.random() < .4:
            tc[f'{name}_token'] = token_value(r, ['<s>', '</s>', '<unk>', '<mask>'])
    for key, values in (('add_prefix_space', [True, False, None]), ('clean_up_tokenization_spaces', [True, False])):
        if r.random() < .4:
            tc[key] = r.choice(values)
    if r.random() < .5:
        tc['added_tokens_decoder'] = {str(t['id']): {k: v for k, v in t.items() if k != 'id'} for t in added}
    if r.random() < .9:
        write(d / 'tokenizer_config.json', tc)
    return r.choice(['tokenizer', 'tokenizer', 'xlmroberta', 'xlmroberta'] if not wordlevel else ['tokenizer'])


def ranks(r, words):
    """Byte strings by rank: all bytes, then words built up from pairs."""
    found = {bytes([b]): b for b in range(256)}
    for word in words:
        parts = [bytes([b]) for b in word]
        while len(parts) > 1:
            i = r.randrange(len(parts) - 1)
            parts[i:i + 2] = [parts[i] + parts[i + 1]]
            found.setdefault(parts[i], len(found))
    return found


def mistral_case(r, d):
    """tekken.json, or SentencePiece models with a version in their names."""
    write(d / 'config.json', {'architectures': ['MistralForCausalLM'], 'model_type': 'mistral', 'vocab_size': 500})
    method = r.choice(['mistral', 'mistral', 'llama'])
    if r.random() < .4:
        data, _ = sentencepiece(r)
        for name in r.sample(['tokenizer.model', 'tokenizer.model.v1', 'tokenizer.model.v2', 'tokenizer.model.v3', 'tokenizer.model.v7', 'tokenizer.model.v7m1', 'tokenizer.model.v11', 'x.y.model', 'tokenizer.model.v9', 'mm.model'], r.choice([1, 1, 2])):
            (d / name).write_bytes(data)
        return 'mistral'
    found = ranks(r, [w.encode() for w in WORDS] + [(' ' + w).encode() for w in r.sample(WORDS, 20)])
    vocab = [{'rank': i, 'token_bytes': base64.b64encode(b).decode(), 'token_str': b.decode() if b.isascii() else None} for b, i in found.items()]
    names = ['<unk>', '<s>', '</s>', '[INST]', '[/INST]', '[AVAILABLE_TOOLS]', '[/AVAILABLE_TOOLS]', '[TOOL_RESULTS]', '[/TOOL_RESULTS]', '[TOOL_CALLS]', '[IMG]', '<pad>', '[IMG_BREAK]', '[IMG_END]', '[PREFIX]', '[MIDDLE]', '[SUFFIX]',
             '[SYSTEM_PROMPT]', '[/SYSTEM_PROMPT]', '[TOOL_CONTENT]', '[ARGS]', '[CALL_ID]', '[THINK]', '[/THINK]', '[AUDIO]', '[BEGIN_AUDIO]', '[MODEL_SETTINGS]', '[/MODEL_SETTINGS]']
    special = [{'rank': i, 'token_str': n, 'is_control': True} for i, n in enumerate(names)]
    version = r.choice(['v3', 'v3', 'v7', 'v11', 'v13', 'v15', 'v1', 'v9'] if r.random() < .5 else ['v3', 'v7', 'v11', 'v13'])
    nspecial = r.choice([40, 28, 33])
    data = {'config': {'pattern': SPLITS[0], 'num_vocab_tokens': len(vocab), 'default_vocab_size': nspecial + len(vocab) - r.choice([0, 0, 30]), 'default_num_special_tokens': nspecial, 'version': version}, 'vocab': vocab}
    if version not in ('v3', 'v7') or r.random() < .5:
        data['special_tokens'] = r.choice([special, special, special, None])
    if r.random() < .1:
        damage(r, data)
    folder = d / r.choice(['.', '.', '.', 'sub'])
    folder.mkdir(exist_ok=True)
    write(folder / 'tekken.json', data)
    if r.random() < .2:
        write(d / 'tokenizer_config.json', {'add_prefix_space': True})
    templates(r, d)
    return method


def python_literal(r, data):
    try:
        text = data.decode()
        return repr(text if r.random() < .9 else data)
    except UnicodeDecodeError:
        return repr(data)


def rwkv_case(r, d):
    """rwkv_vocab_v20230424.txt: a literal a line."""
    words = [bytes([b]) for b in range(256)] + [w.encode() for w in WORDS] + [b"it's", b'"', b'\'"', b'\\', '\u2028\u00e9\u4e00'.encode(), b'\xf0\x9f', b'\n\n', b'\t']
    lines = []
    for i, w in enumerate(words):
        literal = python_literal(r, w)
        if r.random() < .001:
            literal = r.choice(["'\\q'", "b'\\q'", "'\\101'", "u'a'", "'", "'a' 'b'", "br'\\x'", "'\\N{BULLET}'", "'\\ud800'", "3"])
        lines.append(f'{i + 1} {literal} {len(w) if r.random() < .9997 else 7}')
    (d / 'rwkv_vocab_v20230424.txt').write_text('\n'.join(lines) + r.choice(['\n', '', '\r\n', '\n\n' if r.random() < .2 else '\n']), encoding='utf-8')
    config = {'architectures': ['Rwkv6ForCausalLM'], 'model_type': 'rwkv6', 'vocab_size': r.choice([len(words) + 1, len(words) + 9, len(words)]), 'bos_token_id': r.choice([0, 1, None]), 'eos_token_id': r.choice([0, 5, None]), 'pad_token_id': 3}
    if r.random() < .1:
        config.pop('vocab_size')
    write(d / 'config.json', config)
    if r.random() < .7:
        write(d / 'tokenizer_config.json', {'chat_template': chat_template(r)} if r.random() < .5 else {'add_bos_token': True})
    templates(r, d)
    return 'rwkv_world'


def plamo_case(r, d):
    rows = [['<|plamo:unk|>', 0.0, 'UNKNOWN'], ['<|plamo:bos|>', 0.0, 'CONTROL'], ['<|plamo:eos|>', 0, r.choice(['CONTROL', 'NORMAL'])], ['<|plamo:pad|>', 0.0, 'NORMAL', 1, 2], ['<|plamo:op|>', 0.0]]
    rows += [[f'<0x{b:02X}>', -1.5, 'BYTE'] for b in range(16)] + [[w, -float(i) / 3, r.choice(['NORMAL', 'NORMAL', None, 'X'])] for i, w in enumerate(WORDS)]
    if r.random() < .05:
        rows.append(r.choice([[], ['a'], [1, 2.0], ['a', 'x'], {'a': 1}]))
    (d / 'tokenizer.jsonl').write_text(''.join(json.dumps(x, ensure_ascii=r.random() < .5) + r.choice(['\n', '\n', '\n \n', '\r\n']) for x in rows), encoding='utf-8')
    write(d / 'config.json', {'architectures': ['Plamo2ForCausalLM'], 'model_type': 'plamo2', 'vocab_size': r.choice([len(rows), len(rows) + 5, 10, None if r.random() < .1 else 60])})
    names = [x[0] for x in rows[:5]]
    if r.random() < .95:
        write(d / 'tokenizer_config.json', {f'{n}_token': r.choice(names + [None] + (['nope'] if r.random() < .1 else [])) for n in ('bos', 'eos', 'pad', 'sep', 'unk') if r.random() < .6})
    return 'plamo'


def builtin_case(r, d):
    write(d / 'config.json', {'architectures': ['MambaForCausalLM'], 'model_type': 'mamba', 'vocab_size': r.choice([50280, 50432, 100, 0, 99999])})
    return r.choice(['gpt-neox', 'llama-spm', 'none'])


KINDS = {name.removesuffix('_case'): make for name, make in list(globals().items()) if name.endswith('_case')}


class Server:
    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding='utf-8', errors='replace')

    def ask(self, method, directory):
        try:
            self.process.stdin.write(f'{method}\t{directory}\n')
            self.process.stdin.flush()
        except BrokenPipeError:
            return ['died']
        lines = []
        while (line := self.process.stdout.readline()) and line != 'end\n':
            lines.append(line.rstrip('\n'))
        return lines if line else [*lines, 'died']


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('dump')
    p.add_argument('--count', type=int, default=300)
    p.add_argument('--seed', type=int, default=1)
    p.add_argument('--keep')
    p.add_argument('--only', choices=list(KINDS))
    p.add_argument('--verbose', action='store_true')
    a = p.parse_args()
    python = ROOT / 'venv/bin/python'
    if not python.exists():
        print('skipped: the reference is not installed')
        return 77
    samples = str(HERE / 'data/tokenizer_samples.json')
    ours = Server(os.path.abspath(a.dump), samples)
    theirs = Server(str(python), str(HERE.parent / 'scripts/vocab-reference.py'), samples)
    failed = errors = 0
    with tempfile.TemporaryDirectory() as tmp:
        for i in range(a.count):
            r = random.Random(f'{a.seed} {i}')
            d = Path(tmp) / f'case-{i}'
            d.mkdir()
            make = KINDS[a.only or r.choice(['tokenizer'] * 6 + ['sentencepiece'] * 4 + list(KINDS))]
            method = make(r, d)
            x, y = theirs.ask(method, d), ours.ask(method, d)
            theirs_failed = any(line.startswith('error: ') for line in x)
            same = any(line.startswith('error: ') for line in y) if theirs_failed else x == y
            errors += theirs_failed
            if not same or (a.verbose and theirs_failed):
                where = next((n for n, (s, t) in enumerate(zip(x + [''], y + [''])) if s != t), 0)
                print(f'{"differs" if not same else "both fail"}: case {i} {method}\n  reference: {(x + [""])[where][:300]}\n  ours:      {(y + [""])[where][:300]}')
            if not same:
                failed += 1
                if a.keep:
                    shutil.copytree(d, Path(a.keep) / d.name, dirs_exist_ok=True)
            shutil.rmtree(d)
            if y and y[-1] == 'died':
                print('vocab_dump died')
                return 1
    print(f'{a.count} cases, {errors} that the reference refuses, {failed} differ')
    return 1 if failed else 0


sys.exit(main())
