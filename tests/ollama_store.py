#!/usr/bin/env python3
"""ollama_store.py QUANTFS: a mount's model store and links in a store of one's own, walked as Ollama walks them.

What Ollama 0.33 does at its start, on list, show and load was measured with the program itself; here it is replayed, so
that the test needs none. Exit 77 where nothing can be mounted.
"""
import errno, hashlib, json, os, re, shutil, struct, subprocess, sys, tempfile, time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / 'golden'))
import make_model

quantfs = os.path.abspath(sys.argv[1])
work = Path(tempfile.mkdtemp(prefix='quantfs-ollama-'))
HEAD, HOUR = 65536, 3600
TYPES = ('F16', 'Q4_K_M', 'Q8_0', 'mmproj-F16', 'mmproj-F32')


def equal(got, want, what):
    if got != want:
        raise AssertionError(f'{what}: {got!r:.300}, should be {want!r:.300}')


def refused(number, call, what):
    try:
        call()
    except OSError as e:
        return equal(errno.errorcode[e.errno], errno.errorcode[number], what)
    raise AssertionError(f'{what}: no error')


def run(*words, good=True, **more):
    done = subprocess.run([quantfs, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)
    equal((done.returncode == 0), good, f'{words}: {done.stdout}{done.stderr}')
    return done.stdout if good else done.stderr


# -- models -----------------------------------------------------------------------------------------------------------

def vision(text, hidden=64):
    for name, shape in text:
        yield (name.replace('model.', 'model.text_model.', 1) if name.startswith('model.') else name), shape
    tower = 'model.vision_model.'
    yield 'model.connector.modality_projection.proj.weight', [256, 16 * hidden]
    yield tower + 'embeddings.patch_embedding.weight', [hidden, 3, 16, 16]
    yield tower + 'embeddings.patch_embedding.bias', [hidden]
    yield tower + 'embeddings.position_embedding.weight', [16, hidden]
    for part in ('self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj', 'self_attn.out_proj', 'mlp.fc1', 'mlp.fc2'):
        yield f'{tower}encoder.layers.0.{part}.weight', [hidden, hidden]
        yield f'{tower}encoder.layers.0.{part}.bias', [hidden]
    for part in ('encoder.layers.0.layer_norm1', 'encoder.layers.0.layer_norm2', 'post_layernorm'):
        yield f'{tower}{part}.weight', [hidden]
        yield f'{tower}{part}.bias', [hidden]


VISION = dict(model_type='smolvlm_vision', hidden_size=64, image_size=64, intermediate_size=64, num_attention_heads=4,
              num_channels=3, num_hidden_layers=1, patch_size=16, layer_norm_eps=1e-6, hidden_act='gelu_pytorch_tanh')
TEXT = make_model.config('llama', 'LlamaForCausalLM')
make_model.MODELS['vision'] = dict(dtype='BF16', tensors=lambda: vision(make_model.llama()), config=dict(
    architectures=['SmolVLMForConditionalGeneration'], model_type='smolvlm', scale_factor=4, image_token_id=300,
    text_config=TEXT, vision_config=VISION))


def make(kind, name):
    argv, sys.argv = sys.argv, ['', kind, str(work / name)]
    try:
        make_model.main()
    finally:
        sys.argv = argv
    if kind == 'vision':
        (work / name / 'preprocessor_config.json').write_text(json.dumps(
            dict(image_processor_type='SmolVLMImageProcessor', image_mean=[0.5] * 3, image_std=[0.5] * 3,
                 size=dict(longest_edge=64))))
    return work / name


class Mount:
    def __init__(self, source, *options, where=None):
        self.source, self.point = source, Path(where or tempfile.mkdtemp(prefix='m', dir=work))
        self.options = ['--types', ','.join(TYPES), '--no-cache', *options]

    def __enter__(self):
        run('mount', *self.options, self.source, self.point)
        return self

    def __exit__(self, *_):
        run('umount', '--lazy', self.point)


def cat(source, view):
    return subprocess.run([quantfs, 'cat', '--no-cache', source, view], stdout=subprocess.PIPE, check=True).stdout


# -- what Ollama does -------------------------------------------------------------------------------------------------

def valid_part(text, namespace=False):
    """types/model/name.go, isValidPart"""
    return re.fullmatch(r'[A-Za-z0-9_][A-Za-z0-9_-]{0,79}' if namespace else r'[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}', text)


def blob_of(store, layer):
    """manifest/paths.go, BlobsPath"""
    if not re.fullmatch(r'sha256[:-][0-9a-fA-F]{64}', layer['digest']):
        raise AssertionError(f"not a digest: {layer['digest']}")
    return store / 'blobs' / layer['digest'].replace(':', '-')


def manifests(store):
    """manifest/manifest.go, Manifests: exactly four levels, a valid name, JSON."""
    found = {}
    for path in store.glob('manifests/*/*/*/*'):
        if path.is_dir():
            continue
        host, space, model, tag = path.parts[-4:]
        if not (valid_part(space, True) and valid_part(model) and valid_part(tag)):
            raise AssertionError(f'not a name: {path}')
        found[host, space, model, tag] = json.loads(path.read_text())
    equal(len({tuple(part.lower() for part in name) for name in found}), len(found), 'names that differ by case')
    return found


def layers_of(manifest):
    return manifest['layers'] + [manifest['config']]


def keys_of_head(head):
    """The keys that stand whole in the first bytes of a GGUF file, as the list of models reads them."""
    magic, version, _, count = struct.unpack_from('<4sIQQ', head)
    equal((magic, version), (b'GGUF', 3), 'magic and version')
    sizes, at, keys = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}, 24, []
    try:
        for _ in range(count):
            n, = struct.unpack_from('<Q', head, at)
            keys.append(head[at + 8:at + 8 + n].decode())
            kind, = struct.unpack_from('<I', head, at + 8 + n)
            at += 12 + n
            if keys[-1].startswith('tokenizer.'):
                break
            items = 1
            if kind == 9:
                kind, items = struct.unpack_from('<IQ', head, at)
                at += 12
            for _ in range(items):
                at += 8 + struct.unpack_from('<Q', head, at)[0] if kind == 8 else sizes[kind]
    except struct.error:
        raise AssertionError(f'the first {len(head)} bytes end before tokenizer: {keys}')
    return keys


def start(store, prune=True):
    """server/routes.go, Serve: directories, prune, a look at the head of every model. What it would remove."""
    for name in ('blobs', 'manifests'):
        (store / name).mkdir(exist_ok=True)
    found, removed = manifests(store), []
    named = {blob_of(store, layer).name for m in found.values() for layer in layers_of(m)}
    for entry in os.scandir(store / 'blobs') if prune else ():
        st = entry.stat(follow_symlinks=False)
        if not entry.is_dir(follow_symlinks=False) and st.st_mtime < time.time() - HOUR and entry.name not in named:
            removed.append(entry.name)
    for manifest in found.values():
        with open(blob_of(store, manifest['layers'][0]), 'rb') as f:
            keys = keys_of_head(f.read(HEAD))
        equal(keys[0], 'general.architecture', 'first key')
        equal(keys[-1].startswith('tokenizer.'), True, f'keys {keys}')
    return removed


def show(store, manifest, source, kind, mmproj='mmproj-F16'):
    """list, show and load: sizes, config, whole files."""
    equal((manifest['schemaVersion'], manifest['mediaType']),
          (2, 'application/vnd.docker.distribution.manifest.v2+json'), 'manifest')
    config = blob_of(store, manifest['config'])
    equal(hashlib.sha256(config.read_bytes()).hexdigest(), config.name[7:], 'digest of the config')
    fields = json.loads(config.read_text())
    equal((fields['model_format'], fields['file_type'], fields['architecture'], fields['os']),
          ('gguf', kind, 'amd64', 'linux'), 'config')
    equal(fields['model_families'], [fields['model_family']] + ['clip'] * (len(manifest['layers']) > 1), 'families')
    equal(bool(re.fullmatch(r'\d+(\.\d+)?[KMB]', fields['model_type'])), True, fields['model_type'])
    views = dict(zip(('application/vnd.ollama.image.model', 'application/vnd.ollama.image.projector'), (kind, mmproj)))
    for layer in manifest['layers']:
        blob, want = blob_of(store, layer), cat(source, views[layer['mediaType']])
        equal((blob.stat().st_size, layer['size']), (len(want), len(want)), f'size of {blob}')
        equal(blob.read_bytes() == want, True, f'{blob} is the view')
    equal(blob_of(store, manifest['config']).stat().st_size, manifest['config']['size'], 'size of the config')


def remove(store, name):
    """ollama rm: the manifest, empty directories, layers that nothing else names."""
    path = store.joinpath('manifests', *name)
    gone = json.loads(path.read_text())
    path.unlink()
    for up in list(path.parents)[:3]:
        if not any(up.iterdir()):
            up.rmdir()
    named = {blob_of(store, layer).name for m in manifests(store).values() for layer in layers_of(m)}
    for layer in layers_of(gone):
        if blob_of(store, layer).name not in named:
            blob_of(store, layer).unlink()


def snapshot(store):
    return {str(p.relative_to(store)): os.readlink(p) if p.is_symlink() else p.is_file() and p.read_bytes()
            for p in sorted(store.rglob('*'))}


NAME = lambda model, tag: ('registry.ollama.ai', 'library', model, tag)


# -- tests ------------------------------------------------------------------------------------------------------------

def test_virtual_store(text, seeing):
    for source, layers in ((text, 1), (seeing, 2)):
        with Mount(source) as m:
            store = m.point / 'ollama'
            equal(sorted(os.listdir(m.point)), sorted(p.name for p in m.point.glob('*.gguf')), 'names beside the views')
            equal(start(store), [], 'pruned')
            found = manifests(store)
            equal(set(found), {NAME(source.name, t) for t in TYPES if not t.startswith('mmproj')}, 'models')
            for (*_, tag), manifest in found.items():
                equal(len(manifest['layers']), layers, 'layers')
                show(store, manifest, source, tag)
            named = {blob_of(store, layer).name for m in found.values() for layer in layers_of(m)}
            equal(set(os.listdir(store / 'blobs')), named, 'blobs')
            first, blob = snapshot(store), blob_of(store, found[NAME(source.name, 'F16')]['layers'][0])
            for call, what in ((lambda: (store / 'blobs/x').mkdir(), 'mkdir'), (lambda: os.unlink(blob), 'unlink'),
                               (lambda: os.utime(blob), 'utime'), (lambda: open(store / 'blobs/sha256-1', 'w'), 'create'),
                               (lambda: os.rename(blob, blob.with_name('x')), 'rename')):
                refused(errno.EROFS, call, what)
            times = {p: p.stat().st_mtime_ns for p in store.rglob('*')}
            inodes = {p: p.stat().st_ino for p in store.rglob('*')}
            equal(len(set(inodes.values())), len(inodes), 'numbers of different files')
        with Mount(source, where=m.point):
            equal(snapshot(store), first, 'store after a remount')
            equal({p: p.stat().st_mtime_ns for p in store.rglob('*')}, times, 'times after a remount')
        # Other bytes, another digest: what Ollama keeps by digest is not what it was.
        with Mount(source, '--pure', where=m.point):
            others = {blob_of(store, l).name for m in manifests(store).values() for l in m['layers']}
            equal(others & {blob_of(store, l).name for m in found.values() for l in m['layers']}, set(), 'kept digests')
            equal(start(store), [], 'pruned')


def test_source_changes(text):
    copy = shutil.copytree(text, work / 'edited')
    with Mount(copy) as m:
        store = m.point / 'ollama'
        before = manifests(store)[NAME('edited', 'Q8_0')]
        config = json.loads((copy / 'generation_config.json').read_text())
        (copy / 'generation_config.json').write_text(json.dumps(dict(config, top_p=0.5, temperature=0.25)))
        os.utime(copy / 'config.json')
        for _ in range(300):  # names are kept for ten seconds
            after = manifests(store)[NAME('edited', 'Q8_0')]
            if after != before:
                break
            time.sleep(0.05)
        equal(after['layers'][0]['digest'] != before['layers'][0]['digest'], True, 'a new digest')
        show(store, after, copy, 'Q8_0')


def test_modelfiles(seeing):
    with Mount(seeing) as m:
        files = {p.name: p.read_text() for p in (m.point / 'ollama/Modelfiles').iterdir()}
        equal(set(files), {f'{seeing.name}-{t}.Modelfile' for t in TYPES if not t.startswith('mmproj')}, 'Modelfiles')
        lines = files[f'{seeing.name}-Q4_K_M.Modelfile'].splitlines()
        equal(lines, [f'FROM {m.point}/{seeing.name}-Q4_K_M.gguf', f'FROM {m.point}/mmproj-{seeing.name}-F16.gguf'], 'lines')
        for line in lines:
            equal(Path(line[5:]).is_file(), True, line)


def own_store(path):
    """A store of Ollama's with a model, and a blob that nothing names."""
    own = b'{"model_format":"gguf"}'
    digest = hashlib.sha256(own).hexdigest()
    (path / 'blobs').mkdir(parents=True)
    (path / 'blobs' / f'sha256-{digest}').write_bytes(own)
    folder = path / 'manifests/registry.ollama.ai/library/mine'
    folder.mkdir(parents=True)
    layer = dict(digest=f'sha256:{digest}', size=len(own))
    (folder / 'latest').write_text(json.dumps(dict(schemaVersion=2, config=layer, layers=[])))
    return path


def age(store):
    for path in (store / 'blobs').iterdir():
        os.utime(path, (1, 1), follow_symlinks=False)


def test_link(text, seeing):
    store = own_store(work / 'own')
    here = dict(env=dict(os.environ, OLLAMA_MODELS=str(store)))
    before = snapshot(store)
    with Mount(text) as m, Mount(seeing) as s:
        equal(run('ollama', 'link', text, 'q4_k_m', **here).split(), [f'{text.name}:Q4_K_M'], 'linked')
        equal(run('ollama', 'link', s.point, **here).split(),
              [f'{seeing.name}:{t}' for t in sorted(TYPES) if not t.startswith('mmproj')], 'linked by mountpoint')
        age(store)
        found = manifests(store)
        equal(len(found), 1 + 1 + 3, 'models')
        show(store, found[NAME(text.name, 'Q4_K_M')], text, 'Q4_K_M')
        show(store, found[NAME(seeing.name, 'Q8_0')], seeing, 'Q8_0')
        written = sum(p.lstat().st_size for p in store.rglob('*') if p.is_file() and not p.is_symlink())
        equal(written < 10000, True, f'{written} bytes written')
        # Ollama's prune takes what nothing names, and nothing else.
        (store / 'blobs' / ('sha256-' + '0' * 64)).symlink_to(m.point)
        age(store)
        removed = prune_only(store)
        equal(removed, ['sha256-' + '0' * 64], 'pruned')
        (store / 'blobs' / removed[0]).unlink()
        linked = snapshot(store)
        run('ollama', 'link', text, 'Q4_K_M', **here)
        equal(snapshot(store), linked, 'linked twice')
        rows = json.loads(run('ollama', 'list', '--json', **here))
        equal({r['name']: r['path'] for r in rows}[f'{text.name}:Q4_K_M'], f'{m.point}/{text.name}-Q4_K_M.gguf', 'list')
        equal(any('trouble' in r for r in rows), False, 'trouble')
        # A copy that Ollama makes of a manifest is Ollama's, and keeps the view.
        folder = store / 'manifests/registry.ollama.ai/library'
        shutil.copytree(folder / text.name, folder / 'copied')
        equal(run('ollama', 'unlink', text, **here).split(), [f'{text.name}:Q4_K_M'], 'unlinked')
        show(store, manifests(store)[NAME('copied', 'Q4_K_M')], text, 'Q4_K_M')
        remove(store, NAME('copied', 'Q4_K_M'))
        remove(store, NAME(seeing.name, 'F16'))
        equal(run('ollama', 'unlink', seeing, 'Q8_0', **here).split(), [f'{seeing.name}:Q8_0'], 'unlinked')
        show(store, manifests(store)[NAME(seeing.name, 'Q4_K_M')], seeing, 'Q4_K_M')
        equal('nothing of it is linked' in run('ollama', 'unlink', text, good=False, **here), True, 'nothing left')
    rows = run('ollama', 'list', **here)
    equal('(not mounted)' in rows and seeing.name in rows, True, rows)
    run('ollama', 'unlink', seeing, **here)  # the mount is gone
    equal(snapshot(store), before, 'store after all is unlinked')


def prune_only(store):
    """What the start would remove, without a look at the models of the store that are none."""
    named = {blob_of(store, layer).name for m in manifests(store).values() for layer in layers_of(m)}
    return [e.name for e in os.scandir(store / 'blobs') if e.stat(follow_symlinks=False).st_mtime < time.time() - HOUR
            and e.name not in named]


def test_refusals(text, seeing):
    store = own_store(work / 'own2')
    here = dict(env=dict(os.environ, OLLAMA_MODELS=str(store)))
    elsewhere = shutil.copytree(text, work / 'elsewhere' / text.name)
    says = lambda part, *words, **more: equal(part in (said := run('ollama', *words, good=False, **{**here, **more})), True, said)
    says('is not mounted: run quantfs mount', 'link', text)
    says('usage', 'link')
    says('usage', 'steal', text)
    with Mount(text) as m:
        says('there are F16 Q4_K_M Q8_0', 'link', text, 'Q5_K_M')
        says('start Ollama once', 'link', text, env=dict(os.environ, OLLAMA_MODELS=str(work / 'none')))
        says('start Ollama once', 'link', text, '--store', work / 'none')
        says('Read-only file system', 'link', text, '--store', m.point / 'ollama')
        # Names of models that are there are not taken, whatever their case; all or nothing.
        mine = store / 'manifests/registry.ollama.ai/library' / text.name.lower()
        shutil.copytree(mine.parent / 'mine', mine)
        os.rename(mine / 'latest', mine / 'q8_0')
        before = snapshot(store)
        says('is a model of your own', 'link', text)
        equal(snapshot(store), before, 'store after a refusal')
        run('ollama', 'link', text, 'F16', **here)
        run('ollama', 'link', text, '--force', **here)
        found = manifests(store)
        show(store, found[NAME(text.name, 'Q8_0')], text, 'Q8_0')
        equal(set(found), {NAME('mine', 'latest')} | {NAME(text.name, t) for t in ('F16', 'Q4_K_M', 'Q8_0')}, 'forced')
        with Mount(elsewhere):
            linked = snapshot(store)
            says('is a link to another source', 'link', elsewhere, 'F16')
            says('nothing of it is linked', 'unlink', elsewhere)
            equal(snapshot(store), linked, 'links of another source')
            run('ollama', 'link', '--force', elsewhere, 'F16', **here)
            equal(run('ollama', 'unlink', elsewhere, **here).split(), [f'{text.name}:F16'], 'unlinked')
        # A manifest that cannot be read may name any blob: none is removed.
        (mine.parent / 'broken').mkdir()
        (mine.parent / 'broken/latest').write_text('{')
        blobs = sorted(os.listdir(store / 'blobs'))
        run('ollama', 'unlink', text, **here)
        equal(sorted(os.listdir(store / 'blobs')), blobs, 'blobs')


def test_folder(text, seeing):
    """Models of the same name have their publisher's before it; all are there, wherever the layout puts views."""
    root = work / 'models'
    for whose, model in (('alice.b', text), ('bob', text), ('bob', seeing)):
        shutil.copytree(model, root / whose / model.name)
    for layout, count, title in (('tree', 9, 'bob/Tiny-VL-Q8_0/Tiny-VL-Q8_0.gguf'), ('flat', 6, 'Tiny-VL-Q8_0.gguf')):
        with Mount(root, '--layout', layout) as m:
            store = m.point / 'ollama'
            for _ in range(200):  # models are looked into in the background
                found = manifests(store)
                if len(found) == count:
                    break
                time.sleep(0.1)
            equal(len(found), count, 'models')
            if layout == 'tree':
                equal({name[1:3] for name in found}, {('alice-b', text.name), ('bob', text.name), ('library', seeing.name)},
                      'models of a folder')
            equal('ollama' in os.listdir(m.point), False, 'listed')
            equal(start(store), [], 'pruned')
            manifest = found[NAME(seeing.name, 'Q8_0')]
            show(store, manifest, seeing, 'Q8_0')
            equal(manifest['layers'][0]['annotations']['org.opencontainers.image.title'], title, 'title')
            own = own_store(work / f'own-{layout}')
            run('ollama', 'link', root, 'q8_0', '--store', own)
            show(own, manifests(own)[NAME(seeing.name, 'Q8_0')], seeing, 'Q8_0')
            run('ollama', 'unlink', m.point, '--store', own)
            equal(len(manifests(own)), 1, 'manifests left')


def test_doctor(text):
    store = own_store(work / 'own3')

    def said(at, **more):
        done = subprocess.run([quantfs, 'doctor', '--json'], stdout=subprocess.PIPE, text=True,
                              env=dict(os.environ, OLLAMA_MODELS=str(at), **more))
        return ' '.join(f['text'] + f.get('todo', '') for f in json.loads(done.stdout)['findings'] if f['what'] == 'ollama')

    with Mount(text) as m:
        run('ollama', 'link', text, 'F16', 'Q8_0', '--store', store)
        equal('2 views are linked' in said(store), True, said(store))
        equal('OLLAMA_LOAD_TIMEOUT=0' in said(store), True, said(store))
        equal('OLLAMA_LOAD_TIMEOUT=0' in said(store, OLLAMA_LOAD_TIMEOUT='0'), False, 'timeout')
        equal('OLLAMA_NOPRUNE=1' in said(m.point / 'ollama'), True, said(m.point / 'ollama'))
        equal('OLLAMA_NOPRUNE=1' in said(m.point / 'ollama', OLLAMA_NOPRUNE='1'), False, 'prune')
    equal('2 of 2 linked views' in said(store), True, said(store))


def main():
    text, seeing = make('tiny-llama', 'Tiny.Llama-1B'), make('vision', 'Tiny-VL')
    try:
        with Mount(text):
            pass
    except AssertionError as e:
        if '/dev/fuse' in str(e) or 'fusermount' in str(e):
            print(e)
            return 77
        raise
    for test, models in ((test_virtual_store, (text, seeing)), (test_source_changes, (text,)),
                         (test_modelfiles, (seeing,)), (test_link, (text, seeing)), (test_refusals, (text, seeing)),
                         (test_folder, (text, seeing)), (test_doctor, (text,))):
        began = time.monotonic()
        test(*models)
        print(f'{test.__name__[5:]}: {time.monotonic() - began:.1f} s', flush=True)
    return 0


try:
    sys.exit(main())
finally:
    for line in open('/proc/self/mounts'):
        if line.split()[1].startswith(str(work)):
            subprocess.run([quantfs, 'umount', '--lazy', line.split()[1]])
    shutil.rmtree(work, ignore_errors=True)
