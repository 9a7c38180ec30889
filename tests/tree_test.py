#!/usr/bin/env python3
"""A folder of many models, mounted: tree_test.py QUANTFS. Layouts, models that come, go, change or are broken, and a
thousand of them: their names at once, their sizes without planning anything twice, no weight read. Exit 77 where nothing
can be mounted."""
import contextlib, json, os, re, shutil, subprocess, sys, tempfile, time
from pathlib import Path

import noise_model

quantfs = os.path.abspath(sys.argv[1])
work = Path(tempfile.mkdtemp(prefix='quantfs-tree-'))
TYPES = ['Q4_K_M', 'F16', 'BF16']
THOUSAND = 1000


def equal(got, want, what):
    if got != want:
        raise AssertionError(f'{what}: {got!r}, should be {want!r}'[:2000])


class Mount:
    """A foreground mount of a folder; its log is in .log()."""

    def __init__(self, root, *options, types=TYPES):
        self.point = Path(tempfile.mkdtemp(prefix='m', dir=work))
        self.log_path = work / f'{self.point.name}.log'
        self.args = [quantfs, 'mount', '-f', '--types', ','.join(types), '--cache', work / 'cache', '--cache-min-free', '1',
                     *options, root, self.point]

    def __enter__(self):
        self.process = subprocess.Popen([str(a) for a in self.args], stderr=open(self.log_path, 'wb'))
        for _ in range(1500):
            if os.path.ismount(self.point):
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError('did not mount: ' + self.log())

    def __exit__(self, kind, error, trace):
        if error:
            print(f'    {kind.__name__}: {error}', flush=True)
        subprocess.run([quantfs, "umount", "--lazy", self.point], stderr=subprocess.DEVNULL)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError('did not end after umount')

    def log(self):
        return self.log_path.read_text()

    def status(self):
        return json.loads(subprocess.run([quantfs, 'status', self.point], stdout=subprocess.PIPE, check=True).stdout)

    def files(self):
        return {str(p.relative_to(self.point)): p.stat().st_size for p in self.point.rglob('*') if p.is_file()}

    def await_(self, what, good):
        for _ in range(200):
            if good():
                return
            time.sleep(0.1)
        raise AssertionError(f'{what} does not happen: {self.log()}')


def cat(model, kind):
    return subprocess.run([quantfs, 'cat', '--no-cache', '--types', ','.join(TYPES), model, kind], stdout=subprocess.PIPE,
                          check=True).stdout


def read(path):
    with contextlib.suppress(OSError):
        return path.read_bytes()


def link_model(source, to):
    to.mkdir(parents=True)
    for file in source.iterdir():
        os.link(file, to / file.name)


def make(path, salt=''):
    return noise_model.make(path, salt, name=path.name, hidden=256, ffn=512)


root = work / 'root'
alpha = make(root / 'Org' / 'Alpha-1B')
beta = make(root / 'models--other.org--Beta' / 'snapshots' / ('c' * 40), 'b')
(beta.parent.parent / 'refs').mkdir()
(beta.parent.parent / 'refs' / 'main').write_text('c' * 40)
broken = root / 'Org' / 'Broken'
broken.mkdir()
shutil.copy(alpha / 'config.json', broken)  # and no weights
(root / '.hidden').mkdir()
truth = {(m, k): cat(p, k) for m, p in (('Alpha-1B', alpha), ('Beta', beta)) for k in TYPES}
publishers = {'Alpha-1B': 'Org', 'Beta': 'other.org'}


def test_tree():
    with Mount(root) as m:
        equal(sorted(os.listdir(m.point)), ['Org', 'other.org'], 'publishers')
        names = {f'{publishers[n]}/{n}-{k}/{n}-{k}.gguf': len(v) for (n, k), v in truth.items()}
        m.await_('finding out about all', lambda: m.status()['models']['not_looked_into'] == 0)
        equal(m.files(), names, 'files')
        for (n, k), want in truth.items():
            equal((m.point / publishers[n] / f'{n}-{k}' / f'{n}-{k}.gguf').read_bytes() == want, True, f'{n} {k}')
        equal(m.log().count('Broken'), 1, 'lines about the broken model in\n' + m.log())
        equal(m.status()['models']['broken'], 1, 'broken models')
        for call in (lambda: os.mkdir(m.point / 'Org' / 'x'), lambda: open(m.point / 'Org' / 'x', 'w')):
            with contextlib.suppress(OSError):
                call()
                raise AssertionError('a tree can be written to')
        inodes = {p: (m.point / p).stat().st_ino for p in names}
    with Mount(root) as m:
        equal({p: (m.point / p).stat().st_ino for p in names}, inodes, 'inodes after a remount')
        equal(m.status()['models']['known_from_cache'], 2, 'models known from the cache')


def test_flat():
    with Mount(root, '--layout', 'flat') as m:
        equal({p.name: p.stat().st_size for p in m.point.iterdir()}, {f'{n}-{k}.gguf': len(v) for (n, k), v in truth.items()}, 'files')


def test_hub():
    """As llama.cpp's common/hf-cache.cpp reads its cache."""
    with Mount(root, '--layout', 'hub') as m:
        (m.point / 'models--other.org--Beta' / 'refs').stat()
        m.await_('finding out about all', lambda: m.status()['models']['not_looked_into'] == 0)
        for name, publisher in publishers.items():
            folder = m.point / f'models--{publisher}--{name}'
            commit = (folder / 'refs' / 'main').read_text()
            equal(bool(re.fullmatch('[0-9a-f]{40}', commit)), True, 'a commit')
            files = os.listdir(folder / 'snapshots' / commit)
            equal(sorted(files), sorted(f'{name}-{k}.gguf' for k in TYPES), 'files')
            found = next(f for f in files if re.search('F16[.-]', f))
            equal(found, f'{name}-F16.gguf', 'the first that holds the tag F16')
            view = folder / 'snapshots' / commit / f'{name}-Q4_K_M.gguf'
            equal(view.read_bytes() == truth[name, 'Q4_K_M'], True, 'bytes')


def test_one_model():
    with Mount(alpha, '--layout', 'tree') as m:
        equal((m.point / 'Org' / 'Alpha-1B-F16' / 'Alpha-1B-F16.gguf').read_bytes() == truth['Alpha-1B', 'F16'], True, 'bytes')


def test_come_and_go():
    with Mount(root) as m:
        gamma = root / 'Org' / 'Gamma'
        seen = m.point / 'Org' / 'Gamma-F16' / 'Gamma-F16.gguf'
        make(gamma, 'c')
        want = cat(gamma, 'F16')
        m.await_('a new model', lambda: read(seen) == want)
        with open(seen, 'rb') as held:
            equal(held.read() == want, True, 'bytes of a new model')
            shutil.rmtree(gamma)
            m.await_('its end', lambda: not any('Gamma' in n for n in os.listdir(m.point / 'Org')))
        for salt in 'dc':  # while it is being written it may be away, or unreadable
            make(gamma, salt)
            now = cat(gamma, 'F16')
            m.await_('the change', lambda: read(seen) == now)
            equal(now == want, salt == 'c', 'bytes of another model of the name')
        shutil.rmtree(gamma)


def test_ls():
    done = subprocess.run([quantfs, 'ls', '--json', '--types', 'F16', str(root)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, env={**os.environ, 'XDG_CACHE_HOME': str(work / 'ls')})
    models = {m['name']: m for m in json.loads(done.stdout)}
    equal(done.returncode, 1, 'exit status with a broken model')
    equal(sorted(models), ['Alpha-1B', 'Beta', 'Broken'], 'models')
    equal('broken' in models['Broken'] and not models['Broken']['views'], True, 'the broken one')
    equal(models['Beta']['views'][0]['size'], len(truth['Beta', 'F16']), 'a size')


def timed(call):
    began = time.monotonic()
    result = call()
    return time.monotonic() - began, result


def worked(mount, call):
    """Seconds of the clock and of processors, ours and the daemon's: the latter do not depend on who else works here."""
    def now():
        fields = Path(f'/proc/{mount.process.pid}/stat').read_text().rsplit(')', 1)[1].split()
        return time.process_time() + (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')
    began = now()
    clock, result = timed(call)
    return (clock, now() - began), result


def list_long(folder):
    """What ls -lR asks: every entry of every folder, with its size."""
    return {e.path: e.stat().st_size for top, *_ in os.walk(folder) for e in os.scandir(top) if not e.is_dir()}


def names_of(m):
    return [n for publisher in os.listdir(m.point) for n in os.listdir(m.point / publisher)]


def test_thousand():
    many = work / 'many'
    for i in range(THOUSAND):
        link_model(alpha, many / f'publisher-{i % 10}' / f'Model-{i}')
    wanted = 2 * THOUSAND
    with Mount(many, types=['Q4_K_M', 'Q8_0']) as m:
        first, names = worked(m, lambda: names_of(m))
        equal(len(names), wanted, 'names')
        cold, sizes = worked(m, lambda: list_long(m.point))
        equal(len(sizes), wanted, 'files')
        equal(m.status()['models']['planned'], THOUSAND, 'models planned')
        equal(m.status()['chunks']['memory_misses'], 0, 'chunks')
    with Mount(many, types=['Q4_K_M', 'Q8_0']) as m:
        again, names = worked(m, lambda: names_of(m))
        equal(len(names), wanted, 'names after a remount')
        second, same = worked(m, lambda: list_long(m.point))
        third, _ = worked(m, lambda: list_long(m.point))
        equal(sorted(same.values()), sorted(sizes.values()), 'sizes')
        equal(m.status()['models']['planned'], 0, 'models planned after a remount')
        equal(m.status()['chunks']['memory_misses'], 0, 'chunks')
        with contextlib.ExitStack() as held:
            equal({held.enter_context(open(p, 'rb')).read(4) for p in list(same)[:40]}, {b'GGUF'}, 'heads')
            equal(m.status()['mount']['open_files'] >= 40, True, '40 files are open')
        m.await_('closing what is idle', lambda: m.status()['models']['open'] <= 4)
    for what, (clock, cpu), most in (('names of a folder nobody knows', first, 1), ('sizes for the first time', cold, None),
                                     ('names after a remount', again, 1), ('sizes after a remount', second, 2),
                                     ('sizes again', third, 2)):
        print(f'    {wanted} {what}: {clock:.2f} s, {cpu:.2f} s of processors')
        if most and min(clock, cpu) > most:
            raise AssertionError(f'{what}: {cpu:.2f} s of processors, should be under {most}')


if not os.access('/dev/fuse', os.W_OK):
    print("no /dev/fuse")
    sys.exit(77)
failed = 0
for name, test in list(globals().items()):
    if not name.startswith('test_') or (sys.argv[2:] and name[5:] not in sys.argv[2:]):
        continue
    try:
        took, _ = timed(test)
        print(f'ok    {name[5:]} ({took:.1f} s)', flush=True)
    except Exception as e:
        failed += 1
        print(f'FAIL  {name[5:]}: {type(e).__name__}: {e}', flush=True)
shutil.rmtree(work, ignore_errors=True)
sys.exit(failed > 0)
