#!/usr/bin/env python3
"""Compares plans with the reference's llama-quantize, header byte for byte.

    plan_compare.py PLAN_HEADER WORK_DIR --files SOURCE.gguf... [--types REGEX] [-- OPTION...]
    plan_compare.py PLAN_HEADER WORK_DIR --random COUNT [--seed N]
    plan_compare.py PLAN_HEADER WORK_DIR --record DATA_DIR --files SOURCE.gguf...

PLAN_HEADER is the built tests/plan_header. llama-quantize comes from $QUANTFS_REFERENCE/tools/bin and
runs with quantize_shim preloaded, so it quantizes nothing. --files takes what the converter wrote, in
all types; OPTIONs are of views (tensor-type=attn_v=q8_0). --random makes small models up: any
architecture, odd shapes, options, importance matrices. --record keeps the headers of files, without their vocabularies,
and what llama-quantize makes of them, for tests/plans.py. Exit 77 where the reference is not installed."""
import argparse
import hashlib
import os
import random
import re
import struct
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from plan_files import TYPES, header_of, parse, string, strip, write_imatrix  # noqa: E402

REFERENCE = Path(os.environ.get('QUANTFS_REFERENCE', Path.home() / '.cache/quantfs-reference'))
TOOL = REFERENCE / 'tools/bin/llama-quantize'
FLAGS = ('pure', 'leave-output-tensor', 'allow-requantize')

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument('plan_header')
p.add_argument('work', type=Path)
p.add_argument('--files', nargs='*', default=[])
p.add_argument('--random', type=int, default=0)
p.add_argument('--seed', type=int, default=1)
p.add_argument('--record', type=Path)
p.add_argument('--types', default='.*')
p.add_argument('--reasons', action='store_true', help='print why views are refused, in both words')
p.add_argument('--keep', action='store_true', help='keep what differs in WORK_DIR')
cut = sys.argv.index('--') if '--' in sys.argv else len(sys.argv)
a, options = p.parse_args(sys.argv[1:cut]), sys.argv[cut + 1:]
if not TOOL.exists():
    print('the reference is not installed')
    sys.exit(77)
a.work.mkdir(parents=True, exist_ok=True)
shim = a.work / 'quantize_shim.so'
subprocess.run(['cc', '-shared', '-fPIC', '-O2', '-o', shim, Path(__file__).parent / 'quantize_shim.c'], check=True)


def reference(source, kind, opts, cwd):
    """(header, size) of llama-quantize's file, or (None, reason)."""
    out = a.work / 'reference.gguf'
    out.unlink(missing_ok=True)
    args = [TOOL]
    for o in opts:
        name, _, value = o.partition('=')
        if name != 'from-gguf':
            args += ['--' + name] + ([] if name in FLAGS else [os.path.basename(value) if name == 'imatrix' else value])
    args += [os.path.abspath(source), os.path.abspath(out), kind, '1']
    r = subprocess.run(args, capture_output=True, text=True, errors='replace', cwd=cwd,
                       env=dict(os.environ, LD_PRELOAD=str(shim.resolve()), GGML_NO_BACKTRACE='1'))
    if r.returncode:
        lines = [line for line in r.stderr.splitlines() if 'failed to quantize:' in line or 'ASSERT' in line or 'rror' in line]
        return None, (lines or [f'exit {r.returncode} {r.stderr[-300:]}'])[0]
    return header_of(out), out.stat().st_size


def ours(source, kind, opts):
    out = a.work / 'ours.header'
    r = subprocess.run([a.plan_header, source, out, kind, *opts], capture_output=True, text=True)
    if r.returncode == 3:
        return None, r.stderr.strip()
    if r.returncode:
        return None, f'FAILED with {r.returncode}: {r.stdout[-300:]} {r.stderr[-300:]}'
    return out.read_bytes(), int(r.stdout.split()[0])


counts = {'same': 0, 'refused': 0, 'differ': 0}


def compare(source, kind, opts=()):
    cwd = next((os.path.dirname(os.path.abspath(o.partition('=')[2])) for o in opts if o.startswith('imatrix=')), None)
    want, got = reference(source, kind, opts, cwd), ours(source, kind, opts)
    if want[0] is None and got[0] is None and 'FAILED' not in got[1]:
        counts['refused'] += 1
        if a.reasons:
            print(f'{want[1]}\n   {got[1]}')
        return True, want, got
    if want == got:
        counts['same'] += 1
        return True, want, got
    counts['differ'] += 1
    print(f'{source} {kind} {" ".join(opts)}:')
    if want[0] is None or got[0] is None:
        print(f'   reference: {want[1]}\n   ours:      {got[1]}')
    else:
        at = next((i for i, (x, y) in enumerate(zip(*(w[0] for w in (want, got)))) if x != y), None)
        print(f'   sizes {want[1]} {got[1]}, headers {len(want[0])} {len(got[0])}, first difference at {at}')
        if at is not None:
            print(f'   reference: {want[0][max(0, at - 60):at + 40]}\n   ours:      {got[0][max(0, at - 60):at + 40]}')
    return False, want, got


# -- made-up models ---------------------------------------------------------------------------------------------

TABLE = (Path(__file__).parent.parent / 'gguf/loader_table.c').read_text()
READS = {name: re.findall(r'"([^"]+)", ([^}]+)}', body) for name, body in re.findall(r'(reads_\w+)\[\] = \{(.*?)\n\};', TABLE, re.S)}
ARCHS = {name: READS.get(reads, []) for name, reads in re.findall(r'^    \{"([^"]+)", (\w+), \d+\},', TABLE, re.M)}
COMMON = ['llama', 'qwen2', 'qwen3', 'falcon', 'deepseek2', 'qwen3moe', 'gpt-oss', 'deci', 'olmo', 'jais2', 'nanbeige']


def make_keys(rng, arch, layers):
    """The keys that the loader wants, now and then one missing or of another type."""
    kvs = {}

    def scalar(kind, value):
        return {'U32': struct.pack('<II', 4, value), 'I32': struct.pack('<Ii', 5, value), 'F32': struct.pack('<If', 6, value), 'BOOL': struct.pack('<IB', 7, value & 1),
                'STRING': struct.pack('<I', 8) + string('silu'), 'U64': struct.pack('<IQ', 10, value)}[kind]

    def array(kind, values):
        code, letter = {'U32': (4, 'I'), 'I32': (5, 'i'), 'F32': (6, 'f'), 'BOOL': (7, 'B'), 'U64': (10, 'Q')}.get(kind, (8, ''))
        body = b''.join(string('x') for _ in values) if code == 8 else struct.pack(f'<{len(values)}{letter}', *values)
        return struct.pack('<IIQ', 9, code, len(values)) + body
    for key, how in ARCHS.get(arch, []):
        if key.startswith('tokenizer.'):
            continue
        need, shape, kind = how.split(' | ') if ' | ' in how else ('MAY', how, 'U32')
        if need == 'MAY' and rng.random() < 0.5 or rng.random() < 0.003:
            continue
        if rng.random() < 0.003:
            kind = rng.choice(['U32', 'F32', 'BOOL', 'STRING'])
        key, value = key.replace('%s', arch), rng.choice([1, 1, 1, 0, 2, 4, 7])
        if kind == 'BOOL':
            value = rng.choice([0, 1])
        if shape == 'ONE':
            kvs[key] = scalar(kind, value)
        elif shape in ('ARRAY', 'COUNT', 'SWA_PATTERN'):
            kvs[key] = array(kind, [value] * rng.choice([3, 3, 1, layers]))
        elif rng.random() < 0.5 or kind == 'STRING':
            kvs[key] = scalar(kind, value)
        else:
            kvs[key] = array(kind, [value] * ((4 if shape == 'FOUR' else layers) + (rng.random() < 0.01)))
    if arch == 'bailingmoe3':
        kvs[arch + '.kda.gate_lower_bound'] = struct.pack('<If', 6, -1)
    if arch in ('deepseek4', 'dflash') and rng.random() < 0.8:
        kvs[arch + '.expert_gating_func'] = scalar('U32', 4)
    if arch == 'deepseek4':
        kvs[arch + '.attention.compress_ratios'] = array('U32', [1] * layers)
    if arch == 'minimax-m3' or arch == 'qwen4exp':
        for key in kvs:
            if struct.unpack('<I', kvs[key][:4])[0] == 4:
                kvs[key] = scalar('U32', 2)
    if arch == 'hrm_text':
        for name, value in (('layers_per_stack', layers), ('h_cycles', 1), ('l_cycles', rng.choice([0, 0, 1]))):
            kvs[f'{arch}.hrm.{name}'] = scalar('U32', value)
    if arch == 'wavtokenizer-dec':
        for name in ('features_length', 'posnet.embedding_length', 'convnext.embedding_length', 'posnet.block_count', 'convnext.block_count'):
            kvs[f'{arch}.{name}'] = scalar('U32', 1)
    if arch == 'graniteswitch':
        kvs[arch + '.adapters.count'] = scalar('U32', 3)
    return kvs


def make_source(rng, path):
    """A small file as a converter might write it; returns its tensors."""
    arch = rng.choice(COMMON) if rng.random() < 0.5 else rng.choice(sorted(ARCHS) + ['unknown'])
    layers = rng.choice([1, 2, 3, 8, 16, 24, 27, 32, 64, 68, 80, 80])
    heads = rng.choice([1, 2, 4, 8, 32])
    experts = rng.choice([0, 0, 0, 2, 4, 8, 8, 16, 128])
    kvs, tensors, k = [], [], arch + '.'

    def u32(key, value):
        if rng.random() > 0.001:
            kvs.append((key, struct.pack('<II', 4 if rng.random() > 0.001 else 5, value)))
    own = make_keys(rng, arch, layers)
    kvs.append(('general.architecture', struct.pack('<I', 8) + string(arch)))
    kvs.append(('general.name', struct.pack('<I', 8) + string(b'a\0b' if rng.random() < 0.1 else 'name')))
    u32(k + 'block_count', layers)
    u32(k + 'context_length', 128)
    u32(k + 'embedding_length', 64 * heads)
    u32(k + 'feed_forward_length', 256)
    if rng.random() < 0.8:
        u32(k + 'attention.head_count', heads)
    else:
        values = [rng.choice([0, heads]) for _ in range(layers + (rng.random() < 0.05))]
        kvs.append((k + 'attention.head_count', struct.pack(f'<IIQ{len(values)}I', 9, rng.choice([4, 5]), len(values), *values)))
    if rng.random() < 0.8:
        u32(k + 'attention.head_count_kv', max(1, heads // rng.choice([1, 2, 4, 8])))
    if experts:
        u32(k + 'expert_count', experts)
        u32(k + 'expert_used_count', rng.choice([1, 2]))
    if rng.random() < 0.1:
        u32(k + 'nextn_predict_layers', rng.choice([0, 1]))
    if rng.random() < 0.1:
        kvs.append((k + 'rope.scaling.type', struct.pack('<I', 8) + string(rng.choice(['yarn', 'none', 'odd']))))
    if arch == 'nanbeige' and rng.random() < 0.5:
        own[k + 'num_loops'] = struct.pack('<II', 4, rng.choice([1, 2, 3]))
    kvs += [(key, value) for key, value in own.items() if key not in dict(kvs)]
    words = [b'a', b'<s>', b'x\0y' if rng.random() < 0.2 else b'z', b'\0'] if rng.random() < 0.5 else [b'w' * 999] * 9
    kvs.append(('tokenizer.ggml.tokens', struct.pack('<IIQ', 9, 8, len(words)) + b''.join(map(string, words))))
    kvs.append(('some.flags', struct.pack('<IIQ3B', 9, 7, 3, 1, 0, 1)))
    kvs.append(('general.quantization_version', struct.pack('<II', 4, 2)))
    kvs.append(('general.file_type', struct.pack('<II', 4, 32)))
    rng.shuffle(kvs)

    half = rng.choice([1, 30])
    rows = rng.choice([[256], [256], [512, 256], [192, 256], [64], [100, 256], [128, 256], [32, 256], [7, 256]])

    def add(name, ndim=2, f32_too=0.0):
        ne = [rng.choice(rows)] + [rng.choice([1, 2, 3]) for _ in range(ndim - 1)]
        if ndim == 3:
            ne[2] = max(2, experts)
        kind = 0 if ndim == 1 or rng.random() < f32_too else half
        if rng.random() < 0.0002:
            kind = rng.choice([26, 8])
        tensors.append((name, ne, kind))
    add('token_embd.weight')
    if rng.random() < 0.6:
        add('output.weight')
    add('output_norm.weight', 1)
    for name in ('token_types.weight', 'position_embd.weight', 'per_layer_token_embd.weight', 'rope_freqs.weight', 'blk.x.attn_v.weight',
                 'v.blk.1.attn_v.weight', 'v.blk.12.ffn_down.weight', 'abcde', 'cls.weight', 'v.patch_embd.weight'):
        if rng.random() < 0.02:
            add(name)
    middle = ['attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_up', 'ffn_gate', 'ffn_down']
    if rng.random() < 0.2:
        middle = ['attn_qkv', 'attn_output', 'ffn_up', 'ffn_down']
    if rng.random() < 0.2:
        middle = ['attn_q_a', 'attn_q_b', 'attn_kv_a_mqa', 'attn_kv_b', 'attn_k_b', 'attn_v_b', 'attn_output', 'ffn_up', 'ffn_gate', 'ffn_down']
    if experts:
        middle = [m + '_exps' if m.startswith('ffn') and rng.random() < 0.9 else m for m in middle] + ['ffn_gate_inp']
    if rng.random() < 0.2:
        middle += ['ssm_conv1d', 'time_mix_w1', 'indexer.k_proj', 'altup_router', 'attn_rel_b', 'ffn_down_shexp']
    for layer in rng.sample(range(layers), layers):
        for m in middle:
            add(f'blk.{layer}.{m}.weight', 3 if m.endswith('_exps') else 2, 0.02)
        add(f'blk.{layer}.attn_norm.weight', 1)
        add(f'blk.{layer}.attn_q.bias', 1)
    rng.shuffle(tensors)
    block = {0: (1, 4), 1: (1, 2), 30: (1, 2), 26: (1, 4), 8: (32, 34)}
    head = struct.pack('<4sIQQ', b'GGUF', 3, len(tensors), len(kvs)) + b''.join(string(key) + v for key, v in kvs)
    offset = 0
    for i, (name, ne, kind) in enumerate(tensors):
        if ne[0] % block[kind][0]:
            ne[0] = 256
        if rng.random() < 0.01:
            ne = ne + [1]
        head += string(name) + struct.pack(f'<I{len(ne)}QIQ', len(ne), *ne, kind, offset)
        size = block[kind][1] * ne[0] // block[kind][0]
        for n in ne[1:]:
            size *= n
        offset += (size + 31) // 32 * 32
    with open(path, 'wb') as f:
        f.write(head)
        f.truncate((len(head) + 31) // 32 * 32 + offset)
    return tensors


def make_imatrix(rng, path, tensors):
    chosen = [(n, ne) for n, ne, _ in tensors if len(ne) > 1 and rng.random() < 0.995 and ('embd' not in n or rng.random() < 0.1)]
    if rng.random() < 0.4:
        data = struct.pack('<i', len(chosen))
        for n, ne in chosen:
            count = ne[0] * (ne[2] if len(ne) > 2 else 1) + (rng.random() < 0.001)
            data += struct.pack('<i', len(n)) + n.encode() + struct.pack('<ii', rng.choice([0, 3]), count) + struct.pack(f'<{count}f', *([1.5] * count))
        if rng.random() < 0.7:
            data += struct.pack('<i', 7)
            if rng.random() < 0.7:
                data += struct.pack('<i', 140) + b'd' * 140
        path.write_bytes(data)
        return
    parts, offset, infos = [], 0, b''
    for n, ne in chosen:
        experts = ne[2] if len(ne) > 2 else 1
        if len(n) > 55:
            continue
        for suffix, shape, values in (('.in_sum2', (ne[0], experts), [2.0] * (ne[0] * experts)), ('.counts', (1, experts), [4.0] * experts)):
            infos += string(n + suffix) + struct.pack('<IQQIQ', 2, *shape, 0, offset)
            blob = struct.pack(f'<{len(values)}f', *values)
            blob += bytes(-len(blob) % 32)
            parts.append(blob)
            offset += len(blob)
    kvs = string('general.type') + struct.pack('<I', 8) + string('imatrix')
    kvs += string('imatrix.datasets') + struct.pack('<IIQ', 9, 8, 2) + string('first ' * rng.choice([1, 30])) + string('second')
    kvs += string('imatrix.chunk_count') + struct.pack('<II', 4, rng.choice([0, 8])) + string('imatrix.chunk_size') + struct.pack('<II', 4, 512)
    head = struct.pack('<4sIQQ', b'GGUF', 3, len(parts), 4) + kvs + infos
    path.write_bytes(head + bytes(-len(head) % 32) + b''.join(parts))


def random_options(rng, tensors, imatrix):
    opts = []
    types = ['q4_K', 'q8_0', 'Q5_1', 'f16', 'iq4_nl', 'q2_k', 'f32', 'bf16', 'iq2_xxs', 'mxfp4', 'q1_0', 'q8_K', 'nvfp4', 'tq1_0', 'i8']
    patterns = ['attn_v', 'ATTN_K', r'blk\.(1|2)\.ffn_down', r'blk\.\d*[02468]\.', '^output$', r'ffn_(up|gate)(_exps)?\.weight',
                'per_layer', '.*', r'token_embd', r'[^a-z]1[0-9]\.', r'(?!blk)t', r'\bffn', 'attn.{1,3}q', r'(\d)\1', 'a{2}|_k[._]', '[[:digit:]]{2}']
    if rng.random() < 0.3:
        for _ in range(rng.choice([1, 2, 3])):
            opts.append(f'tensor-type={rng.choice(patterns)}={rng.choice(types[:9] if rng.random() < .9 else types)}')
    if rng.random() < 0.1:
        opts.append(f'output-tensor-type={rng.choice(types)}')
    if rng.random() < 0.1:
        opts.append(f'token-embedding-type={rng.choice(types)}')
    for flag in FLAGS:
        if rng.random() < 0.1:
            opts.append(flag)
    if rng.random() < 0.15:
        opts.append('prune-layers=' + ','.join(str(rng.randrange(12)) for _ in range(rng.choice([1, 2, 5]))))
    arch = 'llama'
    for override in (f'{arch}.expert_count=int:8', f'{arch}.block_count=int:80', 'general.name=str:other', 'x.y=float:0.3', 'x.z=bool:true',
                     f'{arch}.attention.head_count_kv=int:1', 'general.name=int:-3', f'{arch}.context_length=str:5', 'quantize.imatrix.file=str:q'):
        if rng.random() < 0.03:
            opts.append('override-kv=' + override)
    if imatrix:
        opts.append(f'imatrix={imatrix}')
        if rng.random() < 0.1:
            opts.append('include-weights=' + rng.choice(['attn', 'nothing', 'ffn_down']))
        elif rng.random() < 0.1:
            opts.append('exclude-weights=' + rng.choice(['attn_v', '.', 'blk.1.']))
    return opts


def record(source, out):
    """Rows for tests/plans.py of one source."""
    name = os.path.basename(source).split('.')[0]
    small = a.work / f'{name}.gguf'
    head, size = strip(source)
    (a.record / f'{name}.gguf').write_bytes(head)
    small.write_bytes(head)
    os.truncate(small, size)
    imatrix = a.work / 'imatrix.gguf'
    write_imatrix(imatrix, parse(head)[1])
    sets = [[], [f'imatrix={imatrix}'], ['pure'], ['leave-output-tensor', 'tensor-type=attn_v|ffn_down=q8_0', 'token-embedding-type=q5_1'],
            ['prune-layers=1', 'override-kv=general.name=str:pruned', 'output-tensor-type=q4_K', f'imatrix={imatrix}']]
    for opts in sets:
        for kind in TYPES if not opts else TYPES[9::4]:
            used = opts + (['from-gguf'] if kind in TYPES[:3] else [])
            header, size = reference(small, kind, used, a.work)
            shown = ' '.join('imatrix' if o.startswith('imatrix=') else o for o in used)
            print(name, kind, size if header else 0, hashlib.sha256(header).hexdigest() if header else 'refused', shown, file=out)


if a.record:
    a.record.mkdir(parents=True, exist_ok=True)
    with open(a.record / 'expected.txt', 'w') as out:
        for source in a.files:
            record(source, out)
    sys.exit()
for source in a.files:
    for kind in TYPES[3:]:
        if re.fullmatch(a.types, kind):
            compare(source, kind, options)
rng = random.Random(a.seed)
for i in range(a.random):
    source, imatrix = a.work / 'source.gguf', a.work / 'imatrix.file'
    tensors = make_source(rng, source)
    with_imatrix = rng.random() < 0.4
    if with_imatrix:
        make_imatrix(rng, imatrix, tensors)
    for kind in rng.sample(TYPES, 6):
        opts = random_options(rng, tensors, imatrix if with_imatrix else None)
        if kind in TYPES[:3] or rng.random() < 0.1:
            opts.append('from-gguf')
        same, want, got = compare(source, kind, opts)
        if not same and a.keep:
            (a.work / f'differs-{i}-{kind}.gguf').write_bytes(source.read_bytes())
print(', '.join(f'{n} {what}' for what, n in counts.items()))
sys.exit(counts['differ'] > 0)
