#!/usr/bin/env python3
"""Sources other than model directories: GGUF files, split sets, LoRA adapters.

    other_sources.py QUANTFS WORK_DIR

What llama-quantize makes of the converter's file is what the directory's quantized views are, so views of the file must
equal them; a split set must be the same source as the file that it was split from. An adapter's file has its digest from
convert_lora_to_gguf.py.
"""
import collections
import hashlib
import io
import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
import types
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
QUANTFS, WORK = sys.argv[1:3]
LORA = {'F32': '5e5bc69c77e2c358f9b2f146f3f4b40edf928ee770360fad34be702d2579c82b', 'Q8_0': '877f6c4b13581ae3719925be975f811d7ac588442f1ea3edb8eaea7bf5bbfec3'}
failed = 0


def run(*args):
    return subprocess.run([QUANTFS, *args], capture_output=True)


def cat(*args):
    done = run('cat', '--no-cache', *args)
    return done.stdout if done.returncode == 0 else None


def check(what, good):
    global failed
    failed += not good
    print(('ok   ' if good else 'FAIL ') + what)


def put(name, data):
    path = os.path.join(WORK, name)
    with open(path, 'wb') as f:
        f.write(data)
    return path


def says(what, words, *args):
    done = run(*args)
    check(what, done.returncode == 1 and words in done.stderr.decode())


def write_adapter(path, base):
    """Two adapted matrices of rank 4; their numbers are multiples of 1/64."""
    os.makedirs(path, exist_ok=True)
    header, data = {}, b''
    for layer in range(2):
        for part, rows in (('q_proj', 256), ('k_proj', 128)):
            for half, shape in (('A', [4, 256]), ('B', [rows, 4])):
                count = shape[0] * shape[1]
                values = [((i * 37 + layer * 11 + rows) % 129 - 64) / 64 for i in range(count)]
                raw = struct.pack(f'<{count}f', *values)
                name = f'base_model.model.model.layers.{layer}.self_attn.{part}.lora_{half}.weight'
                header[name] = {'dtype': 'F32', 'shape': shape, 'data_offsets': [len(data), len(data) + len(raw)]}
                data += raw
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    with open(path + '/adapter_model.safetensors', 'wb') as f:
        f.write(struct.pack('<Q', len(text)) + text + data)
    with open(path + '/adapter_config.json', 'w') as f:
        json.dump({'peft_type': 'LORA', 'r': 4, 'lora_alpha': 8, 'base_model_name_or_path': base}, f)


def write_torch(path, tensors):
    """tensors: name → (shape, floats), as torch.save writes them. No torch is needed: names of its own stand in a pickle."""
    class Storage:
        pass

    class Tensor:
        def __init__(self, key, shape, count):
            self.key, self.shape, self.count = key, shape, count

        def __reduce__(self):
            strides = (self.shape[1], 1)
            return rebuild, (Key(self), 0, tuple(self.shape), strides, False, collections.OrderedDict())

    class Key:
        def __init__(self, tensor):
            self.id = ('storage', Storage, tensor.key, 'cpu', tensor.count)

    def rebuild(*_):
        pass

    class Pickler(pickle._Pickler):
        def persistent_id(self, value):
            return value.id if isinstance(value, Key) else None

        def save_global(self, value, name=None):
            known = {Storage: b'ctorch\nFloatStorage\n', rebuild: b'ctorch._utils\n_rebuild_tensor_v2\n'}
            return self.write(known[value]) if value in known else super().save_global(value, name)

        dispatch = {**pickle._Pickler.dispatch, type: save_global, types.FunctionType: save_global}

    out = io.BytesIO()
    Pickler(out, protocol=2).dump({name: Tensor(str(i), shape, len(values)) for i, (name, (shape, values)) in enumerate(tensors.items())})
    with zipfile.ZipFile(path, 'w') as z:
        z.writestr('archive/data.pkl', out.getvalue())
        for i, (_, values) in enumerate(tensors.values()):
            z.writestr(f'archive/data/{i}', struct.pack(f'<{len(values)}f', *values))
        z.writestr('archive/version', '3\n')


def as_torch(path):
    """An adapter's weights in the other kind of file."""
    with open(path + '/adapter_model.safetensors', 'rb') as f:
        size, = struct.unpack('<Q', f.read(8))
        header, data = json.loads(f.read(size)), f.read()
    write_torch(path + '/adapter_model.bin', {
        name: (t['shape'], struct.unpack(f"<{(t['data_offsets'][1] - t['data_offsets'][0]) // 4}f", data[slice(*t['data_offsets'])]))
        for name, t in header.items()})
    os.unlink(path + '/adapter_model.safetensors')


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    os.makedirs(WORK)
    model = os.path.join(WORK, 'tiny-llama')
    subprocess.run([sys.executable, HERE + '/golden/make_model.py', 'tiny-llama', model], check=True)
    whole = put('tiny-llama-BF16.gguf', cat(model, 'BF16'))
    for view in ('Q4_K_M', 'Q8_0', 'IQ4_XS'):
        check(f'{view} of the GGUF file is that of the directory', cat(whole, view) == cat(model, view))
    listed = run('ls', whole).stdout
    check('views are named after the file', b' tiny-llama-Q4_K_M.gguf' in listed)
    check('no projectors', b'mmproj' not in listed)
    check('check reads it', run('check', '--no-cache', whole).returncode == 0)

    quantized = put('tiny-llama.Q8_0.gguf', cat(whole, 'Q8_0'))
    says('quantized again only when asked', 'allow-requantize', 'cat', quantized, 'Q4_K_M')
    check('quantized again', cat('--allow-requantize', quantized, 'Q4_K_M') is not None)
    check('as it is', cat(quantized, 'Q8_0') == open(quantized, 'rb').read())

    split = os.path.join(WORK, 'split')
    os.makedirs(split)
    listed = run('ls', '--split-max-tensors', '8', '--types', 'BF16', model).stdout.decode().split('\n')
    names = [line.split()[-1] for line in listed if line]
    check('parts are listed', len(names) > 1 and names[0].endswith(f'-00001-of-{len(names):05}.gguf'))
    for name in names:
        put('split/' + name, cat('--split-max-tensors', '8', model, name))
    check('a split set is a source', cat(split + '/' + names[0], 'Q4_K_M') == cat(model, 'Q4_K_M'))
    check('its directory too', cat(split, 'Q4_K_M') == cat(model, 'Q4_K_M'))
    says('a later part is none', 'give the first', 'ls', split + '/' + names[1])
    os.unlink(split + '/' + names[-1])
    says('a part is missing', 'is missing', 'ls', split)

    says('two files of a directory', 'several GGUF files', 'ls', shutil.copytree(
        split, WORK + '/two', dirs_exist_ok=True) if put('split/other-F16.gguf', open(whole, 'rb').read()) else '')
    says('not for the converter', 'GGUF source', 'ls', '--outtype', 'f16', whole)
    big = put('big.gguf', b'GGUF' + struct.pack('>IQQ', 3, 0, 0))
    says('big-endian', 'big-endian', 'ls', big)

    adapter = os.path.join(WORK, 'tuned')
    write_adapter(adapter, '../tiny-llama')
    for view, digest in LORA.items():
        data = cat(adapter, view)
        check(f'LoRA {view}', data is not None and hashlib.sha256(data).hexdigest() == digest)
    as_torch(adapter)
    for view, digest in LORA.items():
        data = cat(adapter, view)
        check(f'LoRA {view} of a .bin file', data is not None and hashlib.sha256(data).hexdigest() == digest)
    os.unlink(adapter + '/adapter_model.bin')
    says('no weights', 'adapter_model.bin', 'ls', adapter)
    write_adapter(adapter, 'nobody/nothing-there')
    says('base model is missing', '--base', 'ls', adapter)
    check('base model is given', run('ls', '--base', model, adapter).returncode == 0)
    return failed != 0


sys.exit(main())
