#!/usr/bin/env python3
"""quantfs verify: a file that is the view, files that are almost it, and files that are nothing.    verify.py QUANTFS WORK_DIR"""
import json
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from plan_files import parse, string  # noqa: E402

QUANTFS, WORK = sys.argv[1], pathlib.Path(sys.argv[2])
BYTES = {0: (1, 4), 8: (32, 34), 12: (256, 144), 14: (256, 210)}
failed = 0


def check(what, good, words=''):
    global failed
    failed += not good
    print(('ok   ' if good else 'FAIL ') + what, words if not good else '')


def run(*args):
    return subprocess.run([QUANTFS, *args], capture_output=True, text=True, errors='replace')


class File:
    """A GGUF file in pieces, to be put together in another way."""

    def __init__(self, data):
        self.kvs, infos, end = parse(data)
        self.align, start, self.tensors = 32, (end + 31) // 32 * 32, []
        for name, ne, kind in infos:
            size = BYTES[kind][1] * ne[0] // BYTES[kind][0]
            for n in ne[1:]:
                size *= n
            self.tensors.append([name, ne, kind, data[start:start + size]])
            start += (size + 31) // 32 * 32

    def bytes(self):
        head = struct.pack('<4sIQQ', b'GGUF', 3, len(self.tensors), len(self.kvs)) + b''.join(v for _, v in self.kvs)
        offset, body = 0, b''
        for name, ne, kind, data in self.tensors:
            head += string(name) + struct.pack(f'<I{len(ne)}QIQ', len(ne), *ne, kind, len(body))
            body += data + bytes(-len(data) % self.align)
        return head + bytes(-len(head) % self.align) + body

    def tensor(self, name):
        return next(t for t in self.tensors if t[0] == name)


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    os.environ['XDG_CACHE_HOME'] = str(WORK / 'cache')
    model, path = WORK / 'tiny-llama', WORK / 'file.gguf'
    subprocess.run([sys.executable, HERE / 'golden/make_model.py', 'tiny-llama', model], check=True)
    whole = subprocess.run([QUANTFS, 'cat', model, 'Q4_K_M'], capture_output=True, check=True).stdout

    def verify(data, *options):
        path.write_bytes(data)
        return run('verify', *options, model, 'Q4_K_M', path)

    def says(what, data, *words):
        done = verify(data)
        check(what, done.returncode == 1 and all(word in done.stdout + done.stderr for word in words), done.stdout + done.stderr)

    def changed(change):
        file = File(whole)
        change(file)
        return file.bytes()

    done = verify(whole)
    check('the same', done.returncode == 0 and f'is tiny-llama-Q4_K_M.gguf, every one of its {len(whole)} bytes' in done.stdout, done.stdout)
    found = json.loads(verify(whole, '--json').stdout)
    check('the same, as JSON', found['identical'] and found['same_contents'] and not found['differences'] and found['same_tensors'] == 21)
    check('put together again', File(whole).bytes() == whole)

    says('other order', changed(lambda f: (f.tensors.reverse(), f.kvs.reverse())), 'lays them out in another way', '21 of 21 tensors')
    says('something behind', whole + b'x', 'lays them out in another way')
    says('padding that is not zero', whole[:-31] + b'x' + whole[-30:] if whole[-31:] == bytes(31) else changed(lambda f: f.tensors.reverse()),
         'lays them out in another way')
    aligned = string('general.alignment') + struct.pack('<II', 4, 128)

    def align(f):
        f.align = 128
        f.kvs.append(('general.alignment', aligned))
    says('other alignment', changed(align), 'key general.alignment: should not be there; is 128', '41 of 41 keys and 21 of 21 tensors are the same')

    def rename(f):
        f.kvs = [(k, string(k) + struct.pack('<I', 8) + string('Mine\x1b[31m') if k == 'general.name' else v) for k, v in f.kvs if k != 'general.architecture']
    says('keys', changed(rename), 'key general.architecture: not in the file; should be llama', 'key general.name: should be Tiny Llama; is Mine\\x1b[31m')

    def retype(f):
        f.kvs = [(k, string(k) + struct.pack('<Iq', 11, 256) if k == 'llama.embedding_length' else v) for k, v in f.kvs]
    says('type of a key', changed(retype), 'key llama.embedding_length: should be 256 (u32); is 256 (i64)')

    def token(f):
        f.kvs = [(k, v.replace(string('<s>'), string('<x>'), 1) if k == 'tokenizer.ggml.tokens' else v) for k, v in f.kvs]
    says('an item of an array', changed(token), '[1] = <s>; is ', '[1] = <x>')

    def data(f):
        t = f.tensor('blk.1.attn_v.weight')  # q6_K, rows of one block of 210 bytes
        t[3] = t[3][:210 * 5 + 3] + bytes(b ^ 1 for b in t[3][210 * 5 + 3:210 * 5 + 6]) + t[3][210 * 5 + 6:]
    says('bytes', changed(data), 'tensor blk.1.attn_v.weight: 3 of 26880 bytes differ, the first in row 5, block 0', '20 of 21 tensors')
    row = json.loads(verify(changed(data), '--json').stdout)['differences']
    check('bytes, as JSON', row == [{'kind': 'data', 'name': 'blk.1.attn_v.weight', 'row': 5, 'block': 0, 'bytes': 3, 'bytes_missing': 0, 'of_bytes': 26880}], row)

    def tensors(f):
        f.tensors = [t for t in f.tensors if t[0] != 'output_norm.weight']
        f.tensor('blk.0.attn_k.weight')[1:] = [[256, 128], 8, bytes(128 * 272)]
        f.tensor('blk.0.attn_norm.weight')[1:] = [[128, 2], 0, bytes(1024)]
        f.tensors.insert(3, ['more.weight', [4], 0, bytes(16)])
    says('tensors', changed(tensors), 'tensor output_norm.weight: not in the file; should be f32 [256]', 'tensor more.weight: should not be there; is f32 [4]',
         'tensor blk.0.attn_k.weight: should be q4_K [256, 128]; is q8_0 [256, 128]', 'tensor blk.0.attn_norm.weight: should be f32 [256]; is f32 [128, 2]')
    says('a download that ended', whole[:700000], 'tensor blk.1.ffn_up.weight: the last 73728 of 73728 bytes lie beyond the end of the file')
    says('a download that ended early', whole[:3000], 'ends within its header: download it again')
    says('an empty file', b'', 'ends within its header')
    says('another kind of file', b'{"a": 1}' * 100, 'is not a GGUF file')
    says('more tensors than there can be', struct.pack('<4sIQQ', b'GGUF', 3, 1 << 60, 1), 'more than it can hold')
    says('an array of nothing', struct.pack('<4sIQQ', b'GGUF', 3, 0, 1) + string('a') + struct.pack('<IIQ', 9, 8, 1 << 29), 'ends within its header')

    rng = random.Random(7)
    header = len(whole) - sum(len(t[3]) for t in File(whole).tensors)
    for _ in range(60):
        broken = bytearray(whole[:header + 2000])
        for _ in range(rng.choice([1, 1, 3, 20])):
            broken[rng.randrange(header)] = rng.choice([0, 1, 0x7F, 0xFF, rng.randrange(256)])
        done = verify(bytes(broken), '--json')
        if done.returncode != 1 or (done.stdout and not json.loads(done.stdout)['differences']):
            check('a broken header', False, (done.returncode, done.stderr))
    check('broken headers', True)

    check('no such file', run('verify', model, 'Q4_K_M', WORK / 'nothing').returncode == 2)
    check('no such view', run('verify', model, 'Q4_K_X', path).returncode == 2)
    check('no such source', run('verify', WORK / 'nothing', 'Q4_K_M', path).returncode == 2)
    check('an argument is missing', run('verify', model, 'Q4_K_M').returncode == 2)
    os.mkfifo(WORK / 'pipe')
    check('a pipe', run('verify', model, 'Q4_K_M', WORK / 'pipe').returncode == 1)
    shutil.rmtree(WORK)
    return failed != 0


sys.exit(main())
