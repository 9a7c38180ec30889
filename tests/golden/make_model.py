#!/usr/bin/env python3
"""Writes one of the project's own small model directories, the same bytes on every machine.

    make_model.py NAME OUT_DIR        NAME: see MODELS below

Real architectures, made-up weights, a SentencePiece vocabulary of 320 pieces. Python's standard library only.
The directory's name should be NAME: it becomes general.name. Digests of what the reference makes of these
directories are in digests.txt.
"""
import array
import hashlib
import json
import os
import struct
import sys

CARD = """---
license: apache-2.0
language: [en, nb]
tags:
  - text-generation
  - tiny
base_model: quantfs/tiny-base
datasets: quantfs/words
---
# A tiny model
"""


def llama(hidden=256, ffn=512, layers=2, heads=4, kv_heads=2, vocab=320, tied=False, bias=()):
    head = hidden // heads
    yield 'model.embed_tokens.weight', [vocab, hidden]
    for i in range(layers):
        p = f'model.layers.{i}.'
        yield p + 'input_layernorm.weight', [hidden]
        yield p + 'post_attention_layernorm.weight', [hidden]
        for name, rows in (('q', heads * head), ('k', kv_heads * head), ('v', kv_heads * head)):
            yield p + f'self_attn.{name}_proj.weight', [rows, hidden]
            if name in bias:
                yield p + f'self_attn.{name}_proj.bias', [rows]
        yield p + 'self_attn.o_proj.weight', [hidden, heads * head]
        yield p + 'mlp.gate_proj.weight', [ffn, hidden]
        yield p + 'mlp.up_proj.weight', [ffn, hidden]
        yield p + 'mlp.down_proj.weight', [hidden, ffn]
    yield 'model.norm.weight', [hidden]
    if not tied:
        yield 'lm_head.weight', [vocab, hidden]


def config(kind, cls, **more):
    base = dict(architectures=[cls], model_type=kind, hidden_size=256, intermediate_size=512,
                num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, vocab_size=320,
                max_position_embeddings=2048, rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2,
                tie_word_embeddings=False)
    base.update(more)
    return base


MODELS = {
    # As labs release them: old key names, defaults left out.
    'tiny-llama': dict(dtype='BF16', tensors=lambda: llama(), card=True, config=config(
        'llama', 'LlamaForCausalLM', torch_dtype='bfloat16', rope_theta=10000.0)),
    # Rows of 192: no multiple of 256, so every K type falls back; tied embeddings; F16.
    'tiny-tied-f16': dict(dtype='F16', tensors=lambda: llama(hidden=192, ffn=384, heads=3, kv_heads=3, tied=True),
                          config=config('llama', 'LlamaForCausalLM', hidden_size=192, intermediate_size=384,
                                        num_attention_heads=3, num_key_value_heads=3, tie_word_embeddings=True)),
    # A field of a wrong type: AutoConfig refuses it and the raw file counts.
    'tiny-mistral-raw': dict(dtype='F32', tensors=lambda: llama(), config=config(
        'mistral', 'MistralForCausalLM', sliding_window=None,
        rope_theta=1000000.0, max_position_embeddings=4096, attention_dropout='0.0')),
    'tiny-qwen2': dict(dtype='BF16', tensors=lambda: llama(bias='qkv'), shards=2, config=config(
        'qwen2', 'Qwen2ForCausalLM', rms_norm_eps=1e-6)),
    # Llama 3.1's rope scaling; half of the tensors F32.
    'tiny-rope31': dict(dtype='BF16', mixed='F32', tensors=lambda: llama(), config=config(
        'llama', 'LlamaForCausalLM', rope_theta=500000.0, rope_scaling=dict(
            factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=8192,
            rope_type='llama3'))),
}

SIZES = dict(F32=4, F16=2, BF16=2)


def weights(name, count, row):
    """Near normal, deviation 0.02; some rows larger, some zero. 16-bit numbers from SHAKE-128, four to a weight."""
    raw = array.array('H', hashlib.shake_128(name.encode()).digest(count * 8))
    out = array.array('f', bytes(4 * count))
    for i in range(count):
        r = i // row
        if r % 31 != 17:
            v = (raw[4 * i] + raw[4 * i + 1] + raw[4 * i + 2] + raw[4 * i + 3] - 131070) * (0.02 / 37837)
            out[i] = v * 8 if r % 7 == 3 else v
    if 'norm' in name:
        for i in range(count):
            out[i] += 1
    return out


def encode(values, dtype):
    if dtype == 'F32':
        return values.tobytes()
    if dtype == 'F16':
        return struct.pack(f'<{len(values)}e', *values)
    bits = array.array('I', values.tobytes())
    return array.array('H', ((b + 0x7FFF + (b >> 16 & 1)) >> 16 & 0xFFFF for b in bits)).tobytes()


def write_safetensors(path, tensors):
    header, offset = {'__metadata__': {'format': 'pt'}}, 0
    for name, dtype, shape in tensors:
        size = SIZES[dtype]
        for n in shape:
            size *= n
        header[name] = dict(dtype=dtype, shape=shape, data_offsets=[offset, offset + size])
        offset += size
    text = json.dumps(header, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as f:
        f.write(struct.pack('<Q', len(text)) + text)
        for name, dtype, shape in tensors:
            count = 1
            for n in shape:
                count *= n
            f.write(encode(weights(name, count, shape[-1]), dtype))


# -- a SentencePiece model: protobuf by hand --

def varint(n):
    out = b''
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack('<f', value)
    return varint(number << 3) + varint(value)


def sentencepiece():
    pieces = [('<unk>', 0.0, 2), ('<s>', 0.0, 3), ('</s>', 0.0, 3)]
    pieces += [(f'<0x{b:02X}>', 0.0, 6) for b in range(256)]
    words = ['▁', '▁t', 'he', '▁the', 'in', 'er', 'an', 're', 'on', 'at', 'en', 'es', 'or', 'is', 'it', 'al']
    words += list('etaoinshrdlcumwfgypbvkxqjz') + ['▁and', '▁of', '▁to', 'æ', 'ø', 'å', '▁på', '日', '本', '🙂']
    pieces += [(w, -float(i), 1) for i, w in enumerate(words)]
    while len(pieces) < 320:
        pieces.append((f'▁w{len(pieces)}', -float(len(pieces)), 1))
    out = b''.join(field(1, field(1, p.encode()) + field(2, s) + field(3, t)) for p, s, t in pieces)
    out += field(2, field(3, 2) + field(4, len(pieces)) + field(35, 1))  # BPE, vocabulary size, byte fallback
    out += field(3, field(1, b'identity') + field(3, 1))  # add_dummy_prefix
    return out


def main():
    name, out = sys.argv[1:3]
    model = MODELS[name]
    os.makedirs(out, exist_ok=True)
    tensors = []
    for i, (tensor, shape) in enumerate(model['tensors']()):
        dtype = model.get('mixed', model['dtype']) if i % 2 else model['dtype']
        tensors.append((tensor, dtype, shape))
    shards = model.get('shards', 1)
    if shards == 1:
        write_safetensors(f'{out}/model.safetensors', tensors)
    else:
        weight_map = {}
        for s in range(shards):
            part = f'model-{s + 1:05d}-of-{shards:05d}.safetensors'
            own = tensors[len(tensors) * s // shards:len(tensors) * (s + 1) // shards]
            write_safetensors(f'{out}/{part}', own)
            weight_map.update({t[0]: part for t in own})
        with open(f'{out}/model.safetensors.index.json', 'w') as f:
            json.dump({'metadata': {}, 'weight_map': weight_map}, f)
    with open(f'{out}/config.json', 'w') as f:
        json.dump(model['config'], f, indent=2)
    with open(f'{out}/generation_config.json', 'w') as f:
        json.dump({'bos_token_id': 1, 'eos_token_id': 2, 'temperature': 0.6, 'top_p': 0.9, 'do_sample': True}, f)
    with open(f'{out}/tokenizer.model', 'wb') as f:
        f.write(sentencepiece())
    with open(f'{out}/tokenizer_config.json', 'w') as f:
        json.dump({'tokenizer_class': 'LlamaTokenizer', 'add_bos_token': True, 'add_eos_token': False,
                   'bos_token': '<s>', 'eos_token': '</s>', 'unk_token': '<unk>',
                   'chat_template': "{% for m in messages %}{{ m['content'] }}{% endfor %}"}, f)
    if model.get('card'):
        with open(f'{out}/README.md', 'w') as f:
            f.write(CARD)


if __name__ == '__main__':
    main()
