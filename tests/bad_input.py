#!/usr/bin/env python3
"""Bad input: each case must end with exit code 1 and one sentence on stderr that names the file and the cause.

    bad_input.py QUANTFS WORK_DIR

A crash, a hang, a traceback of a sanitizer or a silent success is a failure.
"""
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import threading

here = pathlib.Path(__file__).resolve().parent
quantfs, work = sys.argv[1], pathlib.Path(sys.argv[2])
shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)
env = dict(os.environ, XDG_CACHE_HOME=str(work / 'cache'))
subprocess.run([sys.executable, here / 'golden/make_model.py', 'tiny-llama', work / 'good'], check=True)
subprocess.run([sys.executable, here / 'golden/make_model.py', 'tiny-qwen2', work / 'sharded'], check=True)

cases = []


def case(*words, base='good', command='ls'):
    """A case: a function that spoils a copy of `base`; every one of `words` must be in the sentence."""
    def add(spoil):
        cases.append((spoil.__name__, base, spoil, words, command))
        return spoil
    return add


def edit_json(path, change):
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def header(path):
    raw = path.read_bytes()
    size = struct.unpack('<Q', raw[:8])[0]
    return json.loads(raw[8:8 + size]), raw[8 + size:]


def set_header(path, text, data):
    text = text if isinstance(text, bytes) else json.dumps(text).encode()
    path.write_bytes(struct.pack('<Q', len(text)) + text + data)


def edit_header(path, change):
    head, data = header(path)
    change(head)
    set_header(path, head, data)


first = 'model.layers.0.self_attn.q_proj.weight'


@case('nowhere')
def no_such_directory(d):
    shutil.rmtree(d)


@case('config.json')
def no_config(d):
    (d / 'config.json').unlink()


@case('config.json', 'Unheard', 'nearest', 'ForCausalLM')
def unknown_architecture(d):
    edit_json(d / 'config.json', lambda c: c.update(architectures=['UnheardForCausalLM']))


@case('config.json')
def config_is_no_object(d):
    (d / 'config.json').write_text('[1, 2]')


@case('config.json')
def config_nested_deeply(d):
    (d / 'config.json').write_text('{"a": ' + '[' * 10000 + ']' * 10000 + '}')


@case('config.json')
def config_trailing_text(d):
    path = d / 'config.json'
    path.write_text(path.read_text() + ' x')


@case('config.json')
def config_not_utf8(d):
    path = d / 'config.json'
    path.write_bytes(path.read_bytes().replace(b'llama', b'll\xff\xfea', 1))


@case('config.json')
def config_truncated(d):
    path = d / 'config.json'
    path.write_bytes(path.read_bytes()[:40])


@case('config.json', 'num_hidden_layers')
def layers_no_number(d):
    edit_json(d / 'config.json', lambda c: c.update(num_hidden_layers='two', attention_dropout='x'))


@case('model.safetensors')
def no_weights(d):
    (d / 'model.safetensors').unlink()


@case('model.safetensors', 'truncated')
def weights_truncated(d):
    path = d / 'model.safetensors'
    os.truncate(path, path.stat().st_size - 100)


@case('model.safetensors')
def weights_empty(d):
    (d / 'model.safetensors').write_bytes(b'')


@case('model.safetensors', 'header')
def header_longer_than_file(d):
    path = d / 'model.safetensors'
    path.write_bytes(struct.pack('<Q', 1 << 20) + path.read_bytes()[8:20000])


@case('model.safetensors', 'header')
def header_huge(d):
    path = d / 'model.safetensors'
    path.write_bytes(struct.pack('<Q', 1 << 62) + path.read_bytes()[8:])


@case('model.safetensors')
def header_no_json(d):
    set_header(d / 'model.safetensors', b'{"a": ', b'')


@case('model.safetensors', 'overlap')
def offsets_overlap(d):
    def change(h):
        a, b = h[first]['data_offsets']
        h[first]['data_offsets'] = [a - 512, b - 512]
    edit_header(d / 'model.safetensors', change)


@case('model.safetensors')
def bytes_uncovered(d):
    path = d / 'model.safetensors'
    path.write_bytes(path.read_bytes() + bytes(64))


@case('model.safetensors', first, 'overflow')
def shape_overflows(d):
    edit_header(d / 'model.safetensors', lambda h: h[first].update(shape=[1 << 40, 1 << 40]))


@case('model.safetensors', first)
def shape_negative(d):
    edit_header(d / 'model.safetensors', lambda h: h[first].update(shape=[-256, -256]))


@case('model.safetensors', first, 'dtype')
def dtype_unknown(d):
    edit_header(d / 'model.safetensors', lambda h: h[first].update(dtype='Q17'))


@case('model.safetensors', first)
def shape_and_size_disagree(d):
    edit_header(d / 'model.safetensors', lambda h: h[first].update(shape=[256, 255]))


@case('model.safetensors')
def name_twice(d):
    path = d / 'model.safetensors'
    head, data = header(path)
    text = json.dumps(head).replace('"model.norm.weight"', '"' + first + '"').encode()
    set_header(path, text, data)


@case('tensor')
def tensor_unknown(d):
    edit_header(d / 'model.safetensors', lambda h: h.update({'model.extra.weight': h.pop('model.norm.weight')}))


@case(command='cat Q4_K_M')
def tensor_missing(d):
    """llama-quantize does not miss a tensor; the converter does not either: views are made of what is there."""
    head, data = header(d / 'model.safetensors')
    name = 'lm_head.weight'
    a, b = head.pop(name)['data_offsets']
    for info in head.values():
        if 'data_offsets' in info and info['data_offsets'][0] >= b:
            info['data_offsets'] = [x - (b - a) for x in info['data_offsets']]
    set_header(d / 'model.safetensors', head, data[:a] + data[b:])


@case('heads')
def tensor_of_wrong_shape(d):
    edit_header(d / 'model.safetensors', lambda h: h[first].update(shape=[65536 // 127 * 127 // 127, 127]) or
                h[first].update(shape=[1, 65536]))


@case('model-00002-of-00002.safetensors', base='sharded')
def shard_missing(d):
    (d / 'model-00002-of-00002.safetensors').unlink()


@case('index.json', base='sharded')
def index_without_map(d):
    (d / 'model.safetensors.index.json').write_text('{}')


@case('index.json', base='sharded')
def shard_outside(d):
    def change(i):
        for key in i['weight_map']:
            i['weight_map'][key] = '../good/model.safetensors'
    edit_json(d / 'model.safetensors.index.json', change)


@case('index.json', base='sharded')
def index_names_too_many(d):
    edit_json(d / 'model.safetensors.index.json',
              lambda i: i['weight_map'].update({'model.extra.weight': 'model-00001-of-00002.safetensors'}))


@case('index.json', base='sharded')
def index_names_too_few(d):
    edit_json(d / 'model.safetensors.index.json', lambda i: i['weight_map'].pop('model.norm.weight'))


@case('README.md')
def card_rejected(d):
    (d / 'README.md').write_text('---\nlicense: [apache\n---\n')


@case('tokenizer')
def no_tokenizer(d):
    (d / 'tokenizer.model').unlink()


@case('tokenizer.model')
def tokenizer_damaged(d):
    path = d / 'tokenizer.model'
    path.write_bytes(b'\x0a\xff\xff\xff\xff\x0f' + path.read_bytes()[:100])


@case('config.json', 'layers')
def layers_without_end(d):
    edit_json(d / 'config.json', lambda c: c.update(num_hidden_layers=1000000000))


@case('config.json', 'vocab_size')
def vocabulary_without_end(d):
    edit_json(d / 'config.json', lambda c: c.update(vocab_size=2000000000))


@case('heads')
def no_heads(d):
    edit_json(d / 'config.json', lambda c: c.update(num_attention_heads=0))


@case('README.md')
def card_of_aliases(d):
    lines = ['a0: &a0 [x,x,x,x,x,x,x,x,x,x]'] + [f'a{i}: &a{i} [{",".join([f"*a{i - 1}"] * 10)}]' for i in range(1, 10)]
    (d / 'README.md').write_text('\n'.join(['---', *lines, 'license: *a9', '---', '']))


@case('tokenizer.json')
def tokenizer_nested_deeply(d):
    (d / 'tokenizer.json').write_text('[' * 100000)


@case('tokenizer.model')
def tokenizer_of_too_many(d):
    (d / 'tokenizer.model').write_bytes(b'\x0a\x03\x0a\x01a' * 5000000)


@case('model.safetensors', 'shape')
def shape_of_too_many(d):
    edit_header(d / 'model.safetensors', lambda h: h[first].update(shape=[1] * 100000 + h[first]['shape']))


@case('x0')
def tensors_of_no_place(d):
    head, data = header(d / 'model.safetensors')
    more = ''.join(f',"x{i}":{{"dtype":"F32","shape":[0],"data_offsets":[{len(data)},{len(data)}]}}' for i in range(200000))
    set_header(d / 'model.safetensors', json.dumps(head)[:-1].encode() + more.encode() + b'}', data)


MEMORY, SECONDS = 256 << 20, 10  # that a bad file may cost; not under a sanitizer
sanitized = b'__sanitizer' in pathlib.Path(quantfs).read_bytes()


class Ran:
    """A finished command, and what it took."""

    def __init__(self, *words):
        with open(work / 'out', 'wb') as out, open(work / 'err', 'wb') as err:
            process = subprocess.Popen([quantfs, *map(str, words)], stdout=out, stderr=err, env=env)
            timer = threading.Timer(120, process.kill)
            timer.start()
            _, status, used = os.wait4(process.pid, 0)
            timer.cancel()
        self.returncode = process.returncode = os.waitstatus_to_exitcode(status)
        self.stdout, self.stderr = (work / 'out').read_bytes(), (work / 'err').read_bytes()
        self.memory, self.seconds = used.ru_maxrss * 1024, used.ru_utime + used.ru_stime


run = Ran


wrong = 0
for name, base, spoil, words, command in cases:
    d = work / ('nowhere' if name == 'no_such_directory' else name)
    shutil.copytree(work / base, d)
    spoil(d)
    what = command.split()
    got = run('ls', d) if what[0] == 'ls' else run('cat', d, f'{d.name}-{what[1]}.gguf')
    text = got.stderr.decode(errors='replace')
    if name == 'tensor_missing':
        good = got.returncode in (0, 1) and 'Sanitizer' not in text
    else:
        good = got.returncode == 1 and not got.stdout and text.startswith('quantfs: ') and \
            text.count('\n') == 1 and len(text) > 20 and all(w in text for w in words)
    good = good and (sanitized or (got.memory < MEMORY and got.seconds < SECONDS))
    if not good:
        wrong += 1
        print(f'{name}: {got.memory >> 20} MiB, {got.seconds:.1f} s, exit {got.returncode}: {text.strip()[:600]}')
    shutil.rmtree(d, ignore_errors=True)

# Weights that are no number: float views carry them, quantized views fail there and say where; others are read.
bad = work / 'nan'
shutil.copytree(work / 'good', bad)
head, data = header(bad / 'model.safetensors')
at = head[first]['data_offsets'][0] + 2 * (17 * 256 + 3)
data = bytearray(data)
data[at:at + 2] = b'\xc0\x7f'
set_header(bad / 'model.safetensors', head, bytes(data))
floats, quantized, check = run('cat', bad, 'nan-BF16.gguf'), run('cat', bad, 'nan-Q4_K_M.gguf'), run('check', bad)
start = run('cat', bad, 'nan-Q4_K_M.gguf', '--length', 4096)
if floats.returncode or not floats.stdout:
    wrong += 1
    print('nan: the float view does not carry it:', floats.stderr.decode())
if quantized.returncode != 1 or b'blk.0.attn_q.weight' not in quantized.stderr or b'row' not in quantized.stderr:
    wrong += 1
    print('nan: the quantized view does not say where:', quantized.stderr.decode())
if start.returncode or len(start.stdout) != 4096:
    wrong += 1
    print('nan: the rest of the view cannot be read')
if check.returncode != 1 or first.encode() not in check.stdout:
    wrong += 1
    print('nan: check does not find it:', check.stdout.decode(), check.stderr.decode())

print(f'{len(cases) + 4 - wrong} of {len(cases) + 4} as they should be')
sys.exit(bool(wrong))
