#!/usr/bin/env python3
"""Views of one's own: quantfs.json gives what llama-quantize makes with the same options, and says what is wrong in it.

    own_views.py QUANTFS WORK_DIR [--reference | --record]

Digests are those of data/own-views.txt, which --record writes from the reference's own tools; --reference compares with
these tools file by file instead (exit 77 where they are not installed).
"""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from plan_files import parse, write_imatrix  # noqa: E402

QUANTFS, WORK = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
REFERENCE = pathlib.Path(os.environ.get('QUANTFS_REFERENCE', pathlib.Path.home() / '.cache/quantfs-reference'))
STORED = HERE / 'data/own-views.txt'
failed = 0

# Each an object of quantfs.json as it stands there; what is said of a key is what llama-quantize is told.
VIEWS = {
    'tiny-llama': [
        {'name': '{model}-regex', 'type': 'Q4_K_M', 'tensor-type': {r'blk\.0\.attn_v': 'q8_0', 'attn_(v|k)': 'Q6_K', 'FFN_Down$|ffn_down': 'q5_1'}},
        {'name': 'pure.gguf', 'type': 'Q5_K_S', 'imatrix': 'imatrix.gguf', 'pure': True},
        {'name': 'small {model}', 'type': 'IQ2_XS', 'imatrix': 'other.dat', 'imatrix-name': 'sub/other.dat',
         'token-embedding-type': 'q4_K', 'output-tensor-type': 'q6_K'},
        {'name': '{model}-part', 'type': 'Q2_K', 'split-max-tensors': 8, 'comment': 'three files'},
        {'name': '{model}-F16-named', 'type': 'F16', 'override-kv': ['general.name=str:Renamed', 'llama.context_length=int:77', 'a.b=bool:true',
                                                                   'a.c=float:0.25']},
        {'name': 'Ünïcode', 'type': 'mxfp4_moe', 'leave-output-tensor': True, 'pure': False},
    ],
    'tiny-qwen2': [
        {'name': '{model}-included', 'type': 'IQ4_XS', 'imatrix': './imatrix.gguf', 'imatrix-name': './imatrix.gguf', 'include-weights': 'ffn_'},
        {'name': '{model}-excluded', 'type': 'Q3_K_M', 'imatrix': 'imatrix.gguf', 'exclude-weights': ['attn_v', 'ffn_up'], 'outtype': 'f16'},
        {'name': '{model}-pruned', 'type': 'Q4_0', 'prune-layers': [1], 'override-kv': {'general.name': 'str:Half'}, 'outtype': 'f32'},
    ],
    'tiny-tied-f16': [
        {'name': '{model}-list', 'type': 'Q8_0', 'tensor-type': ['attn_q=iq4_nl', 'blk.1.*=q4_1'], 'token-embedding-type': 'bf16'},
        {'name': '{model}-IQ3-M', 'type': 'IQ3_M', 'imatrix': 'imatrix.gguf', 'tensor-type': 'ffn=q3_K'},
    ],
    'again.gguf': [
        {'name': '{model}-Q4', 'type': 'Q4_K_S', 'allow-requantize': True, 'leave-output-tensor': True},
    ],
}


def check(what, good, words=''):
    global failed
    failed += not good
    print(('ok   ' if good else 'FAIL ') + what, words if not good else '')


def run(*args):
    return subprocess.run([QUANTFS, *args], capture_output=True)


def cat(*args):
    done = run('cat', '--no-cache', *args)
    if done.returncode:
        print(done.stderr.decode())
    return done.stdout


# -- sources ------------------------------------------------------------------------------------------------------

def make_model(name):
    """A model directory (or a GGUF file) with its imatrix files and its quantfs.json; where that lies."""
    if name.endswith('.gguf'):
        folder = WORK / 'files'
        folder.mkdir()
        (folder / name).write_bytes(cat(WORK / 'tiny-llama', 'Q8_0'))
        source = folder / name
    else:
        folder = source = WORK / name
        subprocess.run([sys.executable, HERE / 'golden/make_model.py', name, folder], check=True)
        _, tensors, _ = parse(cat(folder, 'F32', '--views', 'none'))
        (folder / 'sub').mkdir()
        write_imatrix(folder / 'imatrix.gguf', tensors, lambda column: 1 + column * 7919 % 64 / 8)
        write_imatrix(folder / 'other.dat', tensors, lambda column: 0.25 + column * 104729 % 32)
        shutil.copy(folder / 'other.dat', folder / 'sub/other.dat')
        (folder / 'broken.dat').write_bytes(b'no imatrix')
    (folder / 'quantfs.json').write_text(json.dumps({'comment': 'a test', 'views': VIEWS[name]}, indent=2, ensure_ascii=False))
    return source


def name_of(source, view):
    return view['name'].removesuffix('.gguf').replace('{model}', source.name.removesuffix('.gguf'))


# -- the reference's own files ------------------------------------------------------------------------------------

def arguments(view):
    """The view's keys as options of llama-quantize."""
    for key, value in view.items():
        if key == 'imatrix':
            value = view.get('imatrix-name', value)
        if key in ('name', 'type', 'imatrix-name', 'outtype', 'split-max-tensors', 'comment') or value is False:
            continue
        if value is True:
            yield f'--{key}'
        elif key == 'prune-layers':
            yield from (f'--{key}', ','.join(map(str, value)))
        else:
            values = [f'{k}={v}' for k, v in value.items()] if isinstance(value, dict) else [value] if isinstance(value, str) else value
            for one in values:
                yield from (f'--{key}', one)


def tool(name, *args, cwd):
    done = subprocess.run([REFERENCE / 'tools/bin' / name, *args], capture_output=True, text=True, errors='replace', cwd=cwd)
    if done.returncode:
        sys.exit(f'{name} {args}: {done.stderr[-800:]}')


def reference_files(source, view, folder):
    """What the reference makes of the view: name -> file."""
    folder.mkdir()
    intermediate = source
    if source.is_dir():
        intermediate = WORK / f'{source.name}.{view.get("outtype", "auto")}.gguf'
        if not intermediate.exists():
            subprocess.run([REFERENCE / 'venv/bin/python', REFERENCE / 'llama.cpp/convert_hf_to_gguf.py', source.name, '--outfile', intermediate,
                            '--outtype', view.get('outtype', 'auto')], check=True, cwd=WORK, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           env=dict(os.environ, PYTHONHASHSEED='0', ATEN_CPU_CAPABILITY='avx2', CUDA_VISIBLE_DEVICES='', HF_HUB_OFFLINE='1'))
    name = name_of(source, view)
    whole = folder / f'{name}.gguf'
    tool('llama-quantize', *arguments(view), intermediate, whole, view['type'], '1', cwd=source if source.is_dir() else WORK)
    if 'split-max-tensors' in view:
        tool('llama-gguf-split', '--split', '--split-max-tensors', str(view['split-max-tensors']), whole, folder / name, cwd=WORK)
        whole.unlink()
    return {path.name: path for path in folder.iterdir()}


# -- same bytes ---------------------------------------------------------------------------------------------------

def own_names(source, view):
    """Files of the view as `ls` lists them."""
    listed = json.loads(run('ls', '--json', source).stdout)
    stem = name_of(source, view)
    return sorted(v['name'] for v in listed if v['name'].startswith(stem + '.') or v['name'].startswith(stem + '-0'))


def compare(how):
    recorded, stored = [], dict(line.rsplit(' ', 1) for line in STORED.read_text().splitlines()) if STORED.exists() else {}
    for name, views in VIEWS.items():
        source = make_model(name)
        for i, view in enumerate(views):
            names = own_names(source, view)
            check(f'{name}: {view["name"]} is listed', names)
            if how == 'stored':
                expected = {n: None for n in names}
            else:
                expected = reference_files(source, view, WORK / f'{name}-{i}')
            check(f'{name}: {view["name"]} has the files of the reference', sorted(expected) == names, (sorted(expected), names))
            for file, path in sorted(expected.items()):
                data = cat(source, file)
                digest = hashlib.sha256(data).hexdigest()
                if how == 'stored':
                    check(f'{name} {file}', stored.get(f'{name} {file}') == digest, digest)
                else:
                    check(f'{name} {file}', data == path.read_bytes())
                    recorded.append(f'{name} {file} {hashlib.sha256(path.read_bytes()).hexdigest()}')
            shutil.rmtree(WORK / f'{name}-{i}', ignore_errors=True)
    if how == 'record' and not failed:
        STORED.write_text('\n'.join(recorded) + '\n')


# -- mistakes -----------------------------------------------------------------------------------------------------

VIEW = '{"views": [\n{"name": "x",\n"type": "Q4_0"%s}]}'
MISTAKES = [
    ('{"views": [\n  {"name": "x" "type": "Q4_0"}]}', 'line 2 column 16: '),
    ('[]', ':1: must hold one object'),
    ('\n{"views": [], "views": []}', ':2: must hold one object'),
    ('{"a": 1,\n"view": []}', ":1: 'a' is not known here"),
    ('{\n"views": {}}', ':2: views: must be a list'),
    ('{"views": [{"name": "x", "type": "Q8_0"},\n\n3]}', ':3: a view must be an object'),
    (VIEW % ',\n"pures": true', ":4: 'pures' is no key of a view: known are name, type,"),
    (VIEW % ',\n"pure": 1', ':4: pure: must be true or false'),
    (VIEW % ',\n"pure": true, "pure": false', ':2: a view holds a key twice'),
    (VIEW % ',\n"tensor-type": {"a": "q8_0",\n"b": 3}', ':5: tensor-type: must be an object of strings'),
    (VIEW % ',\n"tensor-type": {"a": "q8_0",\n"(b": "q8_0"}', ':5: '),
    (VIEW % ',\n"tensor-type": [\n"a=q8_0",\n"b=q9"]', ":6: tensor-type 'b=q9' names no tensor type"),
    (VIEW % ',\n"override-kv": ["a=int"]', ":4: override-kv 'a=int' has none of the types"),
    (VIEW % ',\n"output-tensor-type": "x"', ":4: output-tensor-type 'x' names no tensor type"),
    (VIEW % ',\n"output-tensor-type": ["q8_0"]', ':4: output-tensor-type: must be a string'),
    (VIEW % ',\n"prune-layers": [0, "1"]', ':4: prune-layers: must be a list of layer numbers'),
    (VIEW % ',\n"split-max-size": "4T"', ":4: split-max-size '4T' is no number"),
    (VIEW % ',\n"outtype": "q8_0"', ":4: outtype 'q8_0' is none of"),
    (VIEW % ',\n"imatrix": "../tiny-qwen2/imatrix.gguf"', ":4: imatrix: '../tiny-qwen2/imatrix.gguf' is no .gguf, .dat or .imatrix file of the model directory"),
    (VIEW % ',\n"imatrix": "/etc/passwd"', ":4: imatrix: '/etc/passwd' is no "),
    (VIEW % ',\n"imatrix": "sub/other.dat"', ":4: imatrix: 'sub/other.dat' is no "),
    (VIEW % ',\n"imatrix": "nowhere.gguf"', 'nowhere.gguf: cannot be opened'),
    (VIEW % ',\n"imatrix": "config.json"', ":4: imatrix: 'config.json' is no "),
    (VIEW % ',\n"imatrix": "broken.dat"', ':2: imatrix: '),
    (VIEW % ',\n"include-weights": ["a"]', ':2: imatrix: is missing'),
    (VIEW % ',\n"imatrix": "imatrix.gguf", "include-weights": "a", "exclude-weights": "b"', 'cannot be used together'),
    ('{"views": [\n{"type": "Q4_0"}]}', ':2: name: is missing'),
    ('{"views": [\n{"name": "x"}]}', ':2: type: is missing'),
    ('{"views": [{\n"name": 3, "type": "Q4_0"}]}', ':2: name: must be a string'),
    ('{"views": [{"name": "x",\n"type": "Q4_9"}]}', ":2: type: 'Q4_9' is not a type: known are F32 "),
    ('{"views": [{"name": "x", "type": "Q4_0"},\n{"name": "X.gguf", "type": "Q4_0"}]}', ":2: name: 'X.gguf' is the name of an earlier view too"),
] + [('{"views": [\n{"name": %s, "type": "Q4_0"}]}' % json.dumps(name), words) for name, words in [
    ('a/b', ":2: name: 'a/b' is no name for a file"), ('..', ":2: name: '..' is no name"), ('.gguf', 'is no name'), ('', 'is no name'), ('-x', 'is no name'),
    ('a\nb', 'is no name'), ('x' * 201, 'is no name'), ('\ud800', 'is no name'), ('a,b', 'is no name'), ('a\0b', 'must be a string'),
    ('tiny-llama-Q4_K_M', 'is what a view of a type is called'), ('TINY-llama-q4_k.gguf', 'is what a view of a type is called'),
    ('{model}-F16', 'is what a view of a type is called'), ('mmproj-{model}-F16', 'is what a view of a type is called'), ('q8_0', 'is what a view of a type is called'),
    ('x-00001-of-00002', 'is what a part of a split set is called')]] + [
    ('{"views": [' + ','.join('{"name": "x%d", "type": "Q4_0"}' % i for i in range(65)) + ']}', 'views: holds more than 64'),
    (VIEW % (',\n"tensor-type": [' + ','.join(['"a=q8_0"'] * 257) + ']'), ':4: tensor-type: holds more than 256'),
    ('{"views": [], "comment": "' + 'x' * (1 << 20) + '"}', 'quantfs.json'),
    ('[' * 100000, 'quantfs.json'),
]


def mistakes():
    model = WORK / 'tiny-llama'
    file = model / 'quantfs.json'
    for text, words in MISTAKES:
        file.write_text(text)
        done = run('ls', model)
        said = done.stderr.decode(errors='replace')
        check(f'{text[:90]!r} is refused', done.returncode == 1 and str(file) in said and words in said, said)
    check('the mistake is not read with --views none', run('ls', '--views', 'none', model).returncode == 0)
    file.unlink()


# -- where it is read from ----------------------------------------------------------------------------------------

def replace(path, text):
    new = path.with_suffix('.new')
    new.write_text(text)
    new.rename(path)


def appears(path):
    """Within a few seconds: a mount looks at its source once a second, when it is asked for something."""
    for _ in range(100):
        if path.exists():
            return True
        time.sleep(0.1)
    return False


def given():
    """--views: instead of the directory's, with imatrix files beside it or anywhere."""
    model, folder = WORK / 'tiny-llama', WORK / 'given'
    folder.mkdir()
    (model / 'quantfs.json').write_text('{"views": [{"name": "inside", "type": "Q8_0"}]}')
    shutil.copy(model / 'imatrix.gguf', folder / 'weights')
    (folder / 'mine.json').write_text(json.dumps({'views': [
        {'name': '{model}-beside', 'type': 'IQ2_XXS', 'imatrix': 'weights'},
        {'name': '{model}-above', 'type': 'IQ2_XXS', 'imatrix': '../tiny-llama/imatrix.gguf'},
        {'name': '{model}-refused', 'type': 'IQ2_XXS'}]}))
    listed = run('ls', '--all', '--views', folder / 'mine.json', model).stdout.decode()
    check('--views is listed', 'tiny-llama-beside.gguf' in listed and 'inside' not in listed)
    check('what llama-quantize refuses is refused', 'tiny-llama-refused.gguf: ' in listed)
    beside = cat(model, 'BESIDE', '--views', folder / 'mine.json')
    check('an imatrix beside it', beside == cat(model, 'IQ2_XXS', '--imatrix', folder / 'weights'))
    check('an imatrix anywhere', cat(model, 'tiny-llama-above.gguf', '--views', folder / 'mine.json') == cat(model, 'IQ2_XXS', '--imatrix', model / 'imatrix.gguf'))
    done = subprocess.run([QUANTFS, 'cat', '--no-cache', '--views', 'mine.json', model, 'beside'], capture_output=True, cwd=folder)
    check('from where it lies', done.stdout == beside)
    check('options of other views are not its own', cat(model, 'inside', '--pure', '--imatrix', model / 'imatrix.gguf') == cat(model, 'Q8_0'))
    check('no options leak into built-in views', cat(model, 'Q4_K_M') == cat(model, 'Q4_K_M', '--views', 'none'))
    check('--types by name', run('ls', '--types', 'INSIDE,Q4_0', model).stdout.count(b'.gguf') == 2)
    check('--types without it', b'inside' not in run('ls', '--types', 'Q4_0', model).stdout)
    check('a file that is not there', run('ls', '--views', folder / 'nothing.json', model).returncode == 1)
    for command in (['sha256', model, 'inside'], ['plan', model, 'inside'], ['cp', model, 'inside', folder], ['prefetch', '--cache', folder / 'cache', model, 'inside']):
        check(f'quantfs {command[0]}', run(*command).returncode == 0)
    check('the copy', (folder / 'inside.gguf').read_bytes() == cat(model, 'Q8_0'))
    if not os.access('/dev/fuse', os.W_OK):
        print('no /dev/fuse: not mounted')
        return
    mnt = WORK / 'mnt'
    mnt.mkdir()
    done = run('mount', '--no-cache', model, mnt)
    try:
        check('mounted', done.returncode == 0, done.stderr)
        check('a view of a mount', (mnt / 'inside.gguf').read_bytes() == cat(model, 'Q8_0'))
        replace(model / 'quantfs.json', '{"views": [{"name": "later", "type": "Q4_1", "tensor-type": {"attn_v": "q8_0"}}]}')
        check('a view added while it is mounted', appears(mnt / 'later.gguf'), [p.name for p in mnt.iterdir()][-3:])
        check('its bytes', (mnt / 'later.gguf').read_bytes() == cat(model, 'Q4_1', '--tensor-type', 'attn_v=q8_0'))
    finally:
        run('umount', mnt)


def main():
    how = {'--reference': 'reference', '--record': 'record'}.get((sys.argv[3:] or [''])[0], 'stored')
    if how != 'stored' and not (REFERENCE / 'tools/bin/llama-quantize').exists():
        print('the reference is not installed')
        return 77
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    os.environ['XDG_CACHE_HOME'] = str(WORK / 'cache')
    compare(how)
    if how == 'stored':
        mistakes()
        given()
    shutil.rmtree(WORK)
    return failed != 0


sys.exit(main())
