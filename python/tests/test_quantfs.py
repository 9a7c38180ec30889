"""The package on a small model, against what the program says: as a library, through fsspec, on a live mount.

QUANTFS names the program, QUANTFS_TEST_MODEL the directory of the model tiny-llama, QUANTFS_LIBRARY the library.
"""
import faulthandler
import io
import json
import logging
import os
import pickle
import random
import re
import subprocess
import tempfile
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import numpy

import quantfs
import quantfs.filesystem
from quantfs._library import ffi
from quantfs.gguf import TYPES

faulthandler.dump_traceback_later(100, exit=True)  # a test that hangs says where
PROGRAM, MODEL = os.environ['QUANTFS'], os.environ['QUANTFS_TEST_MODEL']
NAME = os.path.basename(MODEL)
TOP = Path(__file__).resolve().parents[2]
fsspec.register_implementation('quantfs', quantfs.filesystem.QuantfsFileSystem, clobber=True)


def program(*words):
    return subprocess.run([PROGRAM, *words], stdout=subprocess.PIPE, check=True).stdout


def whole(kind):
    return program('cat', MODEL, kind)


class Model(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.source = quantfs.open(MODEL)

    @classmethod
    def tearDownClass(cls):
        cls.source.close()

    def same_tensors(self, gguf, data, kind):
        """Names, types, shapes, places as the program's plan has them; bytes as they stand in the file."""
        plan = json.loads(program('plan', '--json', MODEL, kind))['tensors']
        self.assertEqual([t['name'] for t in plan], list(gguf.tensors))
        for want in plan:
            tensor = gguf.tensors[want['name']]
            self.assertEqual((tensor.type.lower(), list(tensor.shape[::-1]), tensor.nbytes),
                             (want['type'].lower(), want['shape'], want['bytes']))
            self.assertEqual(tensor.bytes(), data[tensor.offset:tensor.offset + tensor.nbytes])


class Library(Model):
    def test_list(self):
        want = {v['name']: v for v in json.loads(program('ls', '--json', '--all', MODEL))}
        self.assertEqual(self.source.sizes, {n: v['size'] for n, v in want.items() if 'refused' not in v})
        self.assertEqual(self.source.refused, {n: v['refused'] for n, v in want.items() if 'refused' in v})
        self.assertEqual(len(self.source), len(self.source.sizes))
        self.assertEqual(quantfs.version(), program('--version').decode().split()[1])

    def test_bytes(self):
        data, view = whole('Q4_K_M'), self.source['q4_k_m']
        self.assertEqual((view.name, view.type, view.size), (f'{NAME}-Q4_K_M.gguf', 'Q4_K_M', len(data)))
        self.assertEqual(view.read(), data)
        self.assertEqual(view.read(100, 5), data[100:105])
        self.assertEqual(view.read(len(data) - 3, 100), data[-3:])
        self.assertEqual(view.read(len(data) + 3), b'')
        block = bytearray(1000)
        self.assertEqual(view.readinto(block, 12345), 1000)
        self.assertEqual(block, data[12345:13345])
        self.assertRaises(ValueError, view.read, -1)
        self.assertRaises(Exception, view.readinto, b'read-only', 0)

    def test_threads(self):
        data, view = whole('Q5_K_S'), self.source['Q5_K_S']

        def read(seed):
            r = random.Random(seed)
            for _ in range(50):
                at, size = r.randrange(len(data)), r.randrange(1, 100000)
                assert view.read(at, size) == data[at:at + size]
        list(ThreadPoolExecutor(4).map(read, range(4)))

    def test_file_object(self):
        data = whole('Q8_0')
        with self.source['Q8_0'].open() as file:
            self.assertTrue(file.readable() and file.seekable() and not file.writable())
            self.assertEqual(file.read(10), data[:10])
            self.assertEqual((file.seek(-20, io.SEEK_END), file.read()), (len(data) - 20, data[-20:]))
            self.assertEqual((file.seek(777), file.tell(), file.read(3)), (777, 777, data[777:780]))

    def test_tensors(self):
        for kind in ('Q4_K_M', 'BF16', 'F32', 'Q8_0', 'TQ1_0'):
            self.same_tensors(self.source[kind].gguf, whole(kind), kind)

    def test_metadata(self):
        metadata = self.source['Q4_K_M'].metadata
        keys = {k['key']: k for k in json.loads(program('plan', '--json', MODEL, 'Q4_K_M'))['keys']}
        self.assertEqual(set(metadata), set(keys))
        self.assertEqual(metadata['general.architecture'], 'llama')
        self.assertEqual(str(metadata['llama.block_count']), keys['llama.block_count']['value'])
        self.assertEqual(len(metadata['tokenizer.ggml.tokens']), 320)
        self.assertEqual(len(metadata['tokenizer.ggml.scores']), 320)

    def test_arrays(self):
        """Weights as the model's own file has them (the embeddings are not permuted), in each float type."""
        raw = Path(MODEL, 'model.safetensors').read_bytes()
        size = int.from_bytes(raw[:8], 'little')
        entry = json.loads(raw[8:8 + size])['model.embed_tokens.weight']
        begin, end = entry['data_offsets']
        bits = numpy.frombuffer(raw[8 + size + begin:8 + size + end], '<u2')
        self.assertEqual(entry['dtype'], 'BF16')
        want = (bits.astype('<u4') << 16).view('<f4').reshape(entry['shape'])
        for kind, dtype in (('F32', 'float32'), ('BF16', 'float32'), ('F16', 'float16')):
            got = self.source[kind].tensors['token_embd.weight'].numpy()
            self.assertEqual((got.dtype, got.shape), (numpy.dtype(dtype), want.shape))
            self.assertTrue(numpy.array_equal(got, want.astype(dtype)), kind)
        blocks = self.source['Q8_0'].tensors['token_embd.weight']
        self.assertTrue(blocks.quantized)
        got = blocks.numpy()
        self.assertEqual((got.dtype, got.shape), (numpy.dtype('uint8'), (320, 8, 34)))
        scale = got[..., :2].copy().view('<f2').astype('f4')
        self.assertLess(numpy.abs(got[..., 2:].view('i1') * scale - want.reshape(320, 8, 32)).max(), scale.max())

    def test_options(self):
        options = dict(types=['Q4_K_M', 'Q8_0'], pure=True, tensor_types=['ffn_down=q6_K'], prune_layers=[1], threads=1,
                       memory=32 << 20, no_cache=True, model_name='Other')
        with quantfs.open(MODEL, **options) as source:
            self.assertEqual(sorted(source.types.values()), ['Q4_K_M', 'Q8_0'])
            view = source['Q4_K_M']
            self.assertEqual(view.metadata['general.name'], 'Other')
            self.assertEqual(view.tensors['blk.0.ffn_down.weight'].type, 'Q6_K')
            self.assertNotIn('blk.1.ffn_down.weight', view.tensors)
            self.assertEqual(view.read(), program('cat', MODEL, view.name, '--pure', '--tensor-type', 'ffn_down=q6_K',
                                                  '--prune-layers', '1', '--model-name', 'Other'))
        for wrong in ('colour', 'ntensor_types', 'warn', 'warn_arg'):
            self.assertRaises(TypeError, quantfs.open, MODEL, **{wrong: 1})

    def test_declared_as_the_header_has_them(self):
        fields = {name for name, _ in ffi.typeof('struct qfs_options').fields}
        counts = {name for name in fields if name[1:] in fields}
        self.assertEqual(fields - counts - {'warn', 'warn_arg'}, set(quantfs.Options.__annotations__))
        table = (TOP / 'model/type.c').read_text()
        numbers = dict(re.findall(r'(QFS_TYPE_\w+) = (\d+)', (TOP / 'include/quantfs/type.h').read_text()))
        rows = re.findall(r'\[(QFS_TYPE_\w+)\] = \{"(\w+)", (\d+), (\d+)', table)
        self.assertEqual({int(numbers[key]): (name.lower(), int(count), int(size)) for key, name, count, size in rows},
                         {number: (t.name.lower(), t.block_count, t.block_bytes) for number, t in TYPES.items()})

    def test_errors(self):
        self.assertRaisesRegex(FileNotFoundError, 'nowhere', quantfs.open, f'{MODEL}-nowhere')
        self.assertRaisesRegex(OSError, 'Q99', quantfs.open, MODEL, types='Q99')
        self.assertRaisesRegex(KeyError, 'Q8_0', lambda: self.source['Q99'])
        self.assertRaisesRegex(OSError, 'imatrix', self.source.view, 'IQ1_S')
        source = quantfs.open(MODEL)
        view = source['Q4_0']
        source.close()
        self.assertRaisesRegex(ValueError, 'closed', view.read)
        self.assertRaisesRegex(ValueError, 'closed', source.view, 'Q4_0')

    def test_copy_and_prefetch(self):
        view, seen = self.source['Q6_K'], []
        with tempfile.TemporaryDirectory() as work:
            view.copy(work, progress=lambda done, size: seen.append((done, size)))
            self.assertEqual(Path(work, view.name).read_bytes(), whole('Q6_K'))
            self.assertTrue(seen and seen[-1][1] == view.size)
        view.prefetch()

    def test_close_waits_for_readers(self):
        source = quantfs.open(MODEL, no_cache=True)
        view, results = source['IQ4_XS'], []

        def read():
            try:
                results.append(len(view.read()))
            except ValueError:
                results.append('closed')
        thread = threading.Thread(target=read)
        thread.start()
        view.close()
        thread.join()
        source.close()
        self.assertIn(results[0], (view.size, 'closed'))

    def test_child_of_fork(self):
        self.source['Q4_0'].read(0, 100)
        child = os.fork()
        if child == 0:
            try:
                self.source['Q4_0'].read(0, 100)
            except RuntimeError:
                os._exit(7)
            os._exit(1)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 7)

    def test_warnings_are_logged(self):
        with tempfile.TemporaryDirectory() as work, self.assertLogs('quantfs', logging.WARNING):
            with quantfs.open(MODEL, cache_dir=work, cache_min_free=1 << 60) as source:
                source['Q4_0'].read()


class Filesystem(Model):
    def setUp(self):
        self.fs = fsspec.filesystem('quantfs')

    def test_list(self):
        self.assertEqual(self.fs.ls(f'quantfs://{MODEL}', detail=False), [f'{MODEL}/{name}' for name in self.source])
        self.assertEqual({e['name'].rpartition('/')[2]: e['size'] for e in self.fs.ls(MODEL)}, self.source.sizes)
        self.assertIn(MODEL, self.fs.ls(os.path.dirname(MODEL), detail=False))
        self.assertEqual(self.fs.glob(f'{MODEL}/*Q4_K_?.gguf'), [f'{MODEL}/{NAME}-Q4_K_{s}.gguf' for s in 'MS'])
        self.assertTrue(self.fs.isdir(MODEL) and self.fs.isfile(f'{MODEL}/{NAME}-Q8_0.gguf'))
        self.assertFalse(self.fs.exists(f'{MODEL}/{NAME}-Q99.gguf') or self.fs.exists(f'{MODEL}-nowhere/x.gguf'))
        self.assertRaises(FileNotFoundError, self.fs.ls, f'{MODEL}-nowhere')

    def test_read(self):
        data, url = whole('Q4_K_M'), f'quantfs://{MODEL}/{NAME}-Q4_K_M.gguf'
        with fsspec.open(url) as file:
            self.assertEqual(file.read(), data)
        self.assertEqual(self.fs.size(url), len(data))
        self.assertEqual(self.fs.cat_file(url, 10, 20), data[10:20])
        self.assertEqual(self.fs.cat_file(url, -20), data[-20:])
        self.assertEqual(self.fs.cat(url), data)
        self.assertEqual(self.fs.head(url, 4), b'GGUF')
        with tempfile.TemporaryDirectory() as work:
            self.fs.get(url, f'{work}/deep/copy.gguf')
            self.assertEqual(Path(work, 'deep/copy.gguf').read_bytes(), data)
        self.assertRaises(OSError, self.fs.open, url, 'wb')
        self.assertRaises(FileNotFoundError, self.fs.open, f'{MODEL}/{NAME}-Q99.gguf')

    def test_options_and_pickle(self):
        fs = fsspec.filesystem('quantfs', types='Q8_0', no_cache=True)
        self.assertEqual([e['quantization'] for e in fs.ls(MODEL)], ['Q8_0'])
        self.assertEqual([e['quantization'] for e in pickle.loads(pickle.dumps(fs)).ls(MODEL)], ['Q8_0'])

    def test_numpy_over_fsspec(self):
        with fsspec.open(f'quantfs://{MODEL}/{NAME}-F32.gguf') as file:
            gguf = quantfs.GGUF(file)
            tensor = gguf.tensors['output_norm.weight']
            file.seek(tensor.offset)
            got = numpy.frombuffer(file.read(tensor.nbytes), '<f4')
        self.assertTrue(numpy.array_equal(got, self.source['F32'].tensors['output_norm.weight'].numpy()))


@unittest.skipUnless(os.access('/dev/fuse', os.R_OK | os.W_OK), 'nothing can be mounted here')
class Mount(Model):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.mnt = self.directory.name
        program('mount', MODEL, self.mnt)

    def tearDown(self):
        program('umount', '--lazy', self.mnt)
        self.directory.cleanup()

    def test_tensors_are_views_of_the_mapped_file(self):
        for kind in ('Q4_K_M', 'F16'):
            gguf = quantfs.gguf.open(f'{self.mnt}/{NAME}-{kind}.gguf')
            self.same_tensors(gguf, whole(kind), kind)
            for tensor in gguf.tensors.values():
                self.assertFalse(tensor.numpy().flags.owndata)
                other = self.source[kind].tensors[tensor.name].numpy()
                self.assertTrue(numpy.array_equal(tensor.numpy(), other))
        del gguf, tensor

    def test_fsspec_copies_between_them(self):
        data = whole('Q5_1')
        with fsspec.open(f'file://{self.mnt}/{NAME}-Q5_1.gguf') as file:
            self.assertEqual(file.read(), data)
        self.assertEqual(fsspec.filesystem('quantfs').cat(f'{MODEL}/{NAME}-Q5_1.gguf'), data)


if __name__ == '__main__':
    unittest.main(verbosity=1)
