#!/usr/bin/env python3
"""What a mount promises, on a live one: mount_test.py QUANTFS [TEST...]

Makes a model of 20 million made-up weights, mounts it and reads it in every way; then kills, replaces, deletes and
interrupts what can be. Every byte is compared with `quantfs cat --no-cache`. Exit 77 where nothing can be mounted.
"""
import contextlib, ctypes, errno, functools, json, mmap, os, random, shutil, signal, subprocess, sys, tempfile, threading, time
from pathlib import Path

import noise_model
import plan_files

quantfs = os.path.abspath(sys.argv[1])
work = Path(tempfile.mkdtemp(prefix='quantfs-mount-'))
TYPE = 'Q4_K_S'
OPTIONS = ['--types', 'Q4_K_S,F16,BF16']


def say(*words):
    print(*words, flush=True)


def equal(got, want, what='value'):
    if got != want:
        got, want = (f'{v!r}'[:200] for v in (got, want))
        raise AssertionError(f'{what}: {got}, should be {want}')


def raises(number, call):
    try:
        call()
    except OSError as e:
        return equal(errno.errorcode.get(e.errno), errno.errorcode[number], 'error')
    raise AssertionError(f'no error, should be {errno.errorcode[number]}')


# -- models -----------------------------------------------------------------------------------------------------------

make = functools.partial(noise_model.make, name='big', hidden=1024, ffn=2048)


def cat(source, kind):
    return subprocess.run([quantfs, 'cat', '--no-cache', *OPTIONS, source, kind], stdout=subprocess.PIPE, check=True,
                          stderr=subprocess.DEVNULL).stdout


model = work / 'big'
make(model)
truth = {kind: cat(model, kind) for kind in (TYPE, 'F16', 'BF16')}
SIZE = len(truth[TYPE])


# -- mounts -----------------------------------------------------------------------------------------------------------

def kept(cache):
    """The options of a cache, whatever is left on this machine's disk."""
    return '--cache', cache, '--cache-min-free', '1'


class Mount:
    """A foreground mount that ends with the block; its log is in .log()."""

    def __init__(self, source=model, cache=None, options=(), where=None, under=()):
        self.point = Path(where or tempfile.mkdtemp(prefix='m', dir=work))
        self.log_path = work / f'{self.point.name}.log'
        self.source, self.under = source, under
        cache = kept(cache) if cache else ['--no-cache']
        self.args = [str(word) for word in (*under, quantfs, 'mount', '-f', *OPTIONS, *cache, *options, source, self.point)]

    def __enter__(self):
        self.process = subprocess.Popen(self.args, stderr=open(self.log_path, 'wb'))
        for _ in range(600):
            if os.path.ismount(self.point):
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.02 if not self.under else 0.2)
        raise AssertionError('did not mount: ' + self.log())

    def __exit__(self, *_):
        if self.process.poll() is None:
            subprocess.run([quantfs, 'umount', self.point], stderr=subprocess.DEVNULL)
            try:
                self.process.wait(10 if not self.under else 120)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise AssertionError('did not end after umount')
        subprocess.run(['umount', '-l', self.point], stderr=subprocess.DEVNULL)

    def log(self):
        return self.log_path.read_text()

    def file(self, kind=TYPE):
        return self.point / f'{self.source.name}-{kind}.gguf'

    def status(self):
        return json.loads(subprocess.run([quantfs, 'status', self.point], stdout=subprocess.PIPE, check=True).stdout)

    def settled(self):
        """The status once nothing is on its way to the cache on disk."""
        for _ in range(400):
            status = self.status()
            if not status['now']['storing']:
                return status
            time.sleep(0.05)
        raise AssertionError('is never stored')


def run(*args, **more):
    return subprocess.run([quantfs, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=60, **more)


def drop_page_cache():
    with contextlib.suppress(OSError):
        Path('/proc/sys/vm/drop_caches').write_text('3')


@contextlib.contextmanager
def opened(path, flags=os.O_RDONLY):
    fd = os.open(path, flags)
    try:
        yield fd
    finally:
        os.close(fd)


def read_all(fd, block=1 << 20):
    parts = []
    while part := os.read(fd, block):
        parts.append(part)
    return b''.join(parts)


def check_random(path, want, rounds, rng, most=1 << 20):
    with opened(path) as fd:
        for _ in range(rounds):
            at, n = rng.randrange(len(want)), rng.choice([1, 7, 4096, 100000, most])
            if os.pread(fd, n, at) != want[at:at + n]:
                raise AssertionError(f'{n} bytes at {at} differ')


def confined(facts):
    """What /proc says of a daemon; a sanitized one has no filter."""
    equal('NoNewPrivs:\t1' in facts, True, 'no new privileges')
    if not is_sanitized():
        equal('Seccomp:\t2' in facts, True, 'system calls are filtered')


def in_threads(count, target):
    errors = []

    def guarded(i):
        try:
            target(i)
        except BaseException as e:
            errors.append(e)
    threads = [threading.Thread(target=guarded, args=(i,)) for i in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(120)
        if t.is_alive():
            raise AssertionError('a reader hangs')
    if errors:
        raise errors[0]


# -- tests ------------------------------------------------------------------------------------------------------------

def test_listing():
    with Mount() as m:
        names = sorted(f'big-{k}.gguf' for k in truth)
        equal(sorted(os.listdir(m.point)), names, 'names')
        for entry in os.scandir(m.point):
            st = entry.stat()
            equal(st.st_size, len(truth[entry.name[4:-5]]), entry.name)
            equal(st.st_blocks, (st.st_size + 511) // 512, 'blocks')
            equal(st.st_ino, entry.inode(), 'inode')
            equal(st.st_mode, 0o100444, 'mode')
        inodes = {e.name: e.inode() for e in os.scandir(m.point)}
        raises(errno.ENOENT, lambda: os.stat(m.point / 'none'))
        raises(errno.ENOTDIR, lambda: os.stat(m.file() / 'none'))
        equal(m.status()['chunks']['produced'], 0, 'chunks produced by looking')
        first = m.file().stat()
    with Mount(where=m.point) as m:
        equal({e.name: e.inode() for e in os.scandir(m.point)}, inodes, 'inodes after a remount')
        equal(m.file().stat().st_mtime_ns, first.st_mtime_ns, 'time after a remount')
        equal(first.st_mtime_ns, max(p.stat().st_mtime_ns for p in model.glob('*.safetensors')), 'time')


def test_read_only():
    with Mount() as m:
        f = m.file()
        for call in (lambda: open(m.point / 'new', 'w'), lambda: open(f, 'r+'), lambda: os.unlink(f),
                     lambda: os.truncate(f, 0), lambda: os.chmod(f, 0o600), lambda: os.utime(f),
                     lambda: os.mkdir(m.point / 'd'), lambda: os.rename(f, m.point / 'x'),
                     lambda: os.link(f, m.point / 'x'), lambda: os.symlink('x', m.point / 'y'),
                     lambda: os.setxattr(f, 'user.x', b'1')):
            raises(errno.EROFS, call)


def test_ways_of_reading():
    with Mount() as m:
        f, want = m.file(), truth[TYPE]
        with opened(f) as fd:
            equal(read_all(fd, 131071), want, 'odd blocks')
            equal(os.pread(fd, 100, SIZE), b'', 'at the end')
            equal(os.pread(fd, 100, SIZE - 3), want[-3:], 'last bytes')
            raises(errno.ENXIO, lambda: os.lseek(fd, SIZE, os.SEEK_DATA))
            equal(os.lseek(fd, 0, os.SEEK_HOLE), SIZE, 'first hole')
        drop_page_cache()
        with opened(f, os.O_RDONLY | os.O_DIRECT) as fd:
            buffer = mmap.mmap(-1, 1 << 20)
            at = 0
            while n := os.preadv(fd, [buffer], at):
                equal(buffer[:n], want[at:at + n], f'direct at {at}')
                at += n
            equal(at, SIZE, 'direct size')
        drop_page_cache()
        os.listdir(m.point)
        with opened(f) as fd, mmap.mmap(fd, 0, prot=mmap.PROT_READ) as whole:
            list(os.scandir(m.point))
            equal(whole[SIZE - 1], want[-1], 'last byte, mapped')
            equal(whole[:], want, 'mapped')
        drop_page_cache()
        with opened(f) as fd, open(work / 'sent', 'wb') as to:
            at = 0
            while n := os.sendfile(to.fileno(), fd, at, 1 << 20):
                at += n
        equal((work / 'sent').read_bytes(), want, 'sendfile')
        drop_page_cache()
        subprocess.run(['cp', f, work / 'copied'], check=True)
        equal((work / 'copied').read_bytes(), want, 'cp')
        for kind in truth:
            equal(m.file(kind).read_bytes(), truth[kind], kind)


def test_many_readers_produce_once():
    with Mount() as m:
        m.file().read_bytes()
        once = m.status()['chunks']['produced']
    with Mount() as m:
        in_threads(8, lambda i: check_random(m.file(), truth[TYPE], 60, random.Random(i)))
        in_threads(4, lambda i: equal(m.file().read_bytes(), truth[TYPE], 'whole'))
        equal(m.status()['chunks']['produced'], once, 'chunks produced')


def test_little_memory():
    with Mount(options=['--memory', '2M']) as m:
        in_threads(6, lambda i: check_random(m.file(), truth[TYPE], 40, random.Random(i)))
        with opened(m.file()) as fd:
            equal(read_all(fd), truth[TYPE], 'whole')
        status = m.status()
        if status['now']['memory'] > 2 << 20:
            raise AssertionError(f"memory {status['now']['memory']}")


def test_disk_cache():
    cache = work / 'cache-d'
    with Mount(cache=cache) as m:
        equal(m.file().read_bytes(), truth[TYPE], 'cold')
        cold = m.settled()
    with Mount(cache=cache) as m:
        equal(m.file().read_bytes(), truth[TYPE], 'warm')
        warm = m.status()
        if not warm['disk_cache']['hits'] or warm['disk_cache']['misses']:
            raise AssertionError(warm['disk_cache'])
    if cold['disk_cache']['stored'] < 80 or cold['disk_cache']['hits']:
        raise AssertionError(cold['disk_cache'])
    # two mounts at once, one cache, cleared meanwhile
    shutil.rmtree(cache)
    with Mount(cache=cache) as a, Mount(cache=cache, options=['--cache-size', '8M']) as b:
        def reader(i):
            if i == 4:
                for _ in range(20):
                    equal(run('cache', 'clear', '--cache', cache).returncode, 0, 'clear')
                    time.sleep(0.02)
            else:
                check_random((a, b)[i % 2].file(), truth[TYPE], 40, random.Random(i))
        in_threads(5, reader)
        drop_page_cache()
        equal(a.file().read_bytes(), truth[TYPE], 'first mount')
        equal(b.file().read_bytes(), truth[TYPE], 'second mount')
    # the directory vanishes while it is in use: one word of warning, every byte
    with Mount(cache=cache) as m:
        shutil.rmtree(cache)
        equal(m.file().read_bytes(), truth[TYPE], 'without its cache')
        equal(m.log().count('\n'), 1, 'warnings')
        if 'off' not in m.status()['disk_cache']:
            raise AssertionError('the cache is not off')


def is_sanitized():
    return b'__sanitizer' in Path(quantfs).read_bytes()


def test_leaks():
    """Nothing is lost after a mount that was read, failed to read, and was unmounted."""
    if not shutil.which('valgrind') or is_sanitized():
        return say('    skipped: needs valgrind, and a build without sanitizers')
    source, log = work / 'leaks' / 'big', work / 'valgrind.log'
    shutil.copytree(model, source)
    under = ['valgrind', '--leak-check=full', '--errors-for-leak-kinds=definite,indirect,possible',
             '--show-leak-kinds=definite,indirect,possible', '--error-exitcode=9', f'--log-file={log}']
    with Mount(source, cache=work / 'cache-v', options=['-j', '1'], under=under) as m:
        os.listdir(m.point)
        with opened(m.file()) as fd:
            equal(os.pread(fd, 1 << 20, 0), truth[TYPE][:1 << 20], 'beginning')
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
            equal(os.pread(fd, 1000, SIZE - 1000), truth[TYPE][-1000:], 'end')
            os.truncate(source / 'model.safetensors', 1 << 20)
            raises(errno.ESTALE, lambda: os.pread(fd, 1000, SIZE // 2))
        raises(errno.EIO, lambda: open(m.file(), 'rb'))
        m.status()
    equal(m.process.returncode, 0, 'errors:\n' + log.read_text() + '\nexit status')
    equal('definitely lost: 0 bytes' in log.read_text() or 'no leaks are possible' in log.read_text(), True, 'report')
    shutil.rmtree(source.parent)


def test_large_cache():
    # mounting does not look at what is cached
    cache, times = work / 'cache-l', {}
    with Mount(cache=cache) as m:
        m.file().read_bytes()
    chunks = next(p for p in cache.iterdir() if p.is_dir())
    some = next(p for p in chunks.glob('??/*') if len(p.name) == 30)
    for size in ('as it is', 'large'):
        took = []
        for _ in range(3):
            began = time.time()
            with Mount(cache=cache, options=['--cache-size', '1T']) as m:
                took.append(time.time() - began)
                check_random(m.file(), truth[TYPE], 5, random.Random(1))
        times[size] = min(took)
        for i in range(30000 if size == 'as it is' else 0):
            fan = chunks / f'{i % 256:02x}'
            if i < 256:
                fan.mkdir(exist_ok=True)
            os.link(some, fan / f'{i:030x}')
    say(f'    mounted in {times["as it is"] * 1000:.0f} ms, with 30,000 files in the cache '
        f'{times["large"] * 1000:.0f} ms')
    if times['large'] > 2 * times['as it is'] + 0.5:
        raise AssertionError('mounting takes longer with a large cache')
    shutil.rmtree(cache)


def test_header_starts_nothing():
    with Mount() as m:
        with opened(m.file()) as fd:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
            equal(os.read(fd, 4096), truth[TYPE][:4096], 'header')
        equal(m.status()['chunks']['produced'], 0, 'chunks produced')
        with opened(m.file()) as fd:  # like a program that looks for the size and reads the last page
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
            equal(os.pread(fd, 100, SIZE - 100), truth[TYPE][-100:], 'end')
        equal(m.status()['chunks']['produced'], 1, 'chunks produced')


def test_read_ahead():
    with Mount(options=['-j', '2']) as m:
        with opened(m.file()) as fd:
            at = 0
            while at < 8 << 20:
                at += len(os.read(fd, 131072))
            time.sleep(1)
            far = m.status()
        if not far['chunks']['read_ahead'] or far['chunks']['produced'] < 70:
            raise AssertionError(far['chunks'])
        if not far['chunks']['produced_weights'] > 10e6 or not 0 < far['now']['weights_per_s'] < 1e10:
            raise AssertionError(far)
        time.sleep(0.3)
        after = m.status()
        equal(after['now']['streams'], 0, 'streams after closing')
        equal(after['now']['queued'], 0, 'queued after closing')


def test_source_replaced():
    source, other = work / 'one' / 'big', work / 'two' / 'big'
    shutil.copytree(model, source)
    make(other, 'other')
    new = cat(other, TYPE)
    with Mount(source) as m:
        old_ino = m.file().stat().st_ino
        with opened(m.file()) as fd:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
            equal(os.pread(fd, 9999, 0), truth[TYPE][:9999], 'before')
            os.rename(other / 'model.safetensors', source / 'model.safetensors')
            # chunks of another generation are never mixed in: old bytes or an error
            for at in range(2 << 20, SIZE, 3 << 20):
                try:
                    equal(os.pread(fd, 1000, at), truth[TYPE][at:at + 1000], 'old handle')
                except OSError as e:
                    if e.errno not in (errno.ESTALE, errno.EIO):
                        raise
            equal(m.file().read_bytes(), new, 'opened after')
            if m.file().stat().st_ino == old_ino:
                raise AssertionError('the same inode')
    shutil.rmtree(source.parent)
    shutil.rmtree(other.parent)


def test_imatrix_replaced():
    matrix, tensors = work / 'matrix.gguf', plan_files.parse(truth['F16'])[1]
    options = ['--imatrix', matrix]

    def wanted():
        return subprocess.run([quantfs, 'cat', '--no-cache', *options, model, TYPE], stdout=subprocess.PIPE, check=True).stdout

    plan_files.write_imatrix(matrix, tensors)
    first = wanted()
    with Mount(options=options) as m:
        equal(m.file().read_bytes(), first, 'with the first matrix')
        plan_files.write_imatrix(work / 'other.gguf', tensors, lambda column: 1 + column * 7919 % 64 / 8)
        with opened(m.file()) as fd:
            os.rename(work / 'other.gguf', matrix)
            time.sleep(1.1)
            second = wanted()
            if second == first:
                raise AssertionError('both matrices give the same bytes')
            equal(m.file().read_bytes(), second, 'with the second matrix')
            equal(os.pread(fd, SIZE, SIZE // 2), first[SIZE // 2:], 'opened before')


def test_source_edited():
    source = work / 'edited' / 'big'
    shutil.copytree(model, source)
    weights = source / 'model.safetensors'
    with Mount(source) as m:
        with opened(m.file()) as fd:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
            equal(os.pread(fd, 9999, 0), truth[TYPE][:9999], 'before')
            with open(weights, 'r+b') as f:
                f.seek(weights.stat().st_size // 2)
                f.write(b'\0' * 1000)
            raises(errno.ESTALE, lambda: os.pread(fd, 1000, 4 << 20))
        want = cat(source, TYPE)
        equal(m.file().read_bytes(), want, 'after the edit')
        with opened(m.file('F16')) as fd:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
            os.pread(fd, 10, 0)
            os.truncate(weights, 1 << 20)
            raises(errno.ESTALE, lambda: os.pread(fd, 1000, 30 << 20))
            raises(errno.EIO, lambda: open(m.file(), 'rb'))  # it cannot be opened as it is now
        equal(m.process.poll(), None, 'daemon')
        shutil.copy(model / 'model.safetensors', weights)
        time.sleep(0.01)
        equal(m.file().read_bytes(), truth[TYPE], 'after the repair')
        shutil.rmtree(source)
        raises(errno.EIO, lambda: open(m.file(), 'rb'))
        equal(len(os.listdir(m.point)), 3, 'names')
    shutil.rmtree(source.parent)


def test_silent_edit():
    """An edit that leaves size and time as they were is not noticed, but where the content is read."""
    source, cache = work / 'silent' / 'big', work / 'cache-s'
    shutil.copytree(model, source)
    weights = source / 'model.safetensors'
    before, raw = weights.stat(), weights.read_bytes()
    start = 8 + int.from_bytes(raw[:8], 'little')
    place = json.loads(raw[8:start])['model.layers.1.mlp.up_proj.weight']['data_offsets'][0]
    with Mount(source, cache=cache) as m:
        equal(m.file().read_bytes(), truth[TYPE], 'before')
    with open(weights, 'r+b') as f:
        f.seek(start + place)
        f.write(b'\0' * 1000)
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))
    new = cat(source, TYPE)
    equal(new == truth[TYPE], False, 'the edit is seen')
    with Mount(source, cache=cache) as m:
        equal(m.file().read_bytes(), truth[TYPE], 'what is cached')
    with Mount(source, cache=cache, options=['--verify-source']) as m:
        equal(m.file().read_bytes(), new, 'with --verify-source')
    shutil.rmtree(source.parent)


def test_not_a_number():
    source = work / 'nan' / 'big'
    shutil.copytree(model, source)
    weights = source / 'model.safetensors'
    header = json.loads(weights.read_bytes()[8:8 + int.from_bytes(weights.read_bytes()[:8], 'little')])
    name, start = 'model.layers.1.mlp.up_proj.weight', 8 + int.from_bytes(weights.read_bytes()[:8], 'little')
    with open(weights, 'r+b') as f:
        f.seek(start + header[name]['data_offsets'][0] + 2 * (1024 * 1500 + 3))
        f.write(b'\xc0\x7f')
    with Mount(source) as m:
        equal(m.file('BF16').read_bytes().count(b'\xc0\x7f') >= 1, True, 'a float view carries it')
        good = bad = 0
        with opened(m.file()) as fd:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
            for at in range(0, SIZE, 65536):
                try:  # a short read ends where the error begins
                    got = os.pread(fd, 65536, at)
                    want = truth[TYPE][at:at + len(got)]
                    if got != want:
                        first = next(i for i in range(len(got)) if got[i] != want[i])
                        raise AssertionError(f'differs at {at + first}, read of {len(got)} at {at}')
                    good += 1
                except OSError as e:
                    equal(e.errno, errno.EIO, 'error')
                    bad += 1
        if not 1 <= bad <= 5 or good < 100:
            raise AssertionError(f'{good} reads good, {bad} bad')
        log = m.log()
        equal(log.count('\n'), 1, 'log lines')
        if 'blk.1.ffn_up.weight' not in log or '1500' not in log:
            raise AssertionError(log)
        equal(f"quantfs: {m.status()['mount']['last_log_line']}\n", log, 'last line, in the status')
    shutil.rmtree(source.parent)


def test_killed_daemon():
    cache, rng = work / 'cache-k', random.Random(1)
    point = Path(tempfile.mkdtemp(dir=work))
    for _ in range(int(os.environ.get('QUANTFS_KILLS', '6'))):
        with Mount(cache=cache, where=point) as m:
            reader = subprocess.Popen(['cat', m.file()], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(rng.random() * 0.3)
            m.process.kill()
            m.process.wait()
            reader.wait(10)
            raises(errno.ENOTCONN, lambda: os.listdir(point))
            again = run('mount', *OPTIONS, *kept(cache), model, point)
            equal(again.returncode, 1, 'mount over a dead one')
            if 'Transport endpoint is not connected' not in again.stderr:
                raise AssertionError(again.stderr)
            status = run('status', point)
            equal(status.returncode, 1, 'status of a dead one')
            if rng.random() < 0.5:
                equal(run('umount', point).returncode, 0, 'umount of a dead one')
            else:  # --force clears it away
                equal(run('mount', '--force', *OPTIONS, *kept(cache), model, point).returncode, 0, 'forced')
                equal(run('umount', point).returncode, 0, 'umount')
    with Mount(cache=cache, where=point) as m:
        equal(m.file().read_bytes(), truth[TYPE], 'after all')
        equal(m.status()['disk_cache']['damaged'], 0, 'damaged')


def test_ends():
    # a daemon: ready when the command returns, gone when asked
    point = Path(tempfile.mkdtemp(dir=work))
    equal(run('mount', *OPTIONS, '--no-cache', model, point).returncode, 0, 'mount')
    status = json.loads((point / '.quantfs-status').read_text())
    equal((point / f'big-{TYPE}.gguf').read_bytes(), truth[TYPE], 'through a daemon')
    with opened(point / f'big-{TYPE}.gguf') as fd:
        busy = run('umount', point)
        equal(busy.returncode, 1, 'umount in use')
        if 'lazy' not in busy.stderr:
            raise AssertionError(busy.stderr)
        equal(run('umount', '--lazy', point).returncode, 0, 'lazy umount')
        equal(os.listdir(point), [], 'detached')
        equal(os.pread(fd, 10, 3 << 20), truth[TYPE][3 << 20:(3 << 20) + 10], 'still open')
    for _ in range(100):
        if not os.path.exists(f"/proc/{status['mount']['pid']}/exe"):
            break
        time.sleep(0.05)
    else:
        raise AssertionError('the daemon lives on')
    for number in (signal.SIGTERM, signal.SIGINT):
        with Mount(options=['-j', '1']) as m:
            readers = [subprocess.Popen(['cat', m.file()], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                       for _ in range(4)]
            with contextlib.suppress(OSError), opened(m.file()):  # closing fails with the mount gone
                began = time.time()
                time.sleep(0.05)
                m.process.send_signal(number)
                equal(m.process.wait(8), 0, 'exit status')
                if time.time() - began > 5:
                    raise AssertionError(f'took {time.time() - began:.1f} s')
            for r in readers:
                r.wait(5)
            equal(os.path.ismount(m.point), False, 'mounted')


def test_hangup():
    # SIGHUP: look at the source again, now
    source = work / 'hup' / 'big'
    shutil.copytree(model, source)
    with Mount(source, options=['--types', TYPE]) as m:
        first = m.file().stat().st_ino
        m.process.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        equal(m.process.poll(), None, 'still there')
        equal(m.file().stat().st_ino, first, 'same source, same file')
        config = json.loads((source / 'config.json').read_text())
        (source / 'config.json').write_text(json.dumps(dict(config, rope_theta=12345.0)))
        m.process.send_signal(signal.SIGHUP)
        for _ in range(100):
            if 'the source changed' in m.log():
                break
            time.sleep(0.05)
        else:
            raise AssertionError('not noticed: ' + m.log())
        equal(m.file().read_bytes(), cat(source, TYPE), 'the new bytes')
        if os.geteuid() == 0:
            facts = Path(f'/proc/{m.process.pid}/status').read_text()
            held = int(facts.split('CapPrm:')[1].split()[0], 16)
            equal(held & ~(1 << 21 | 1 << 2), 0, 'capabilities beyond SYS_ADMIN and DAC_READ_SEARCH')
            confined(facts)
    shutil.rmtree(source.parent)


def test_killed_readers():
    with Mount(options=['-j', '1', '--memory', '4M']) as m:
        rng = random.Random(3)
        for _ in range(40):
            flags = rng.choice(['direct', 'nocache'])
            readers = [subprocess.Popen(['dd', f'if={m.file()}', 'of=/dev/null', f'iflag={flags}', 'bs=1M'],
                                        stderr=subprocess.DEVNULL) for _ in range(3)]
            time.sleep(rng.random() * 0.03)
            for r in readers:
                began = time.time()
                r.send_signal(rng.choice([signal.SIGKILL, signal.SIGINT, signal.SIGTERM]))
                r.wait(20)
            drop_page_cache()
        for _ in range(100):
            now = m.status()['now']
            if not now['waiting'] and not now['queued'] and not now['running']:
                break
            time.sleep(0.05)
        else:
            raise AssertionError(now)
        equal(m.status()['mount']['open_files'], 1, 'open files')  # the status itself
        equal(m.file().read_bytes(), truth[TYPE], 'afterwards')


def test_others_do_not_wait():
    with Mount(options=['-j', '1']) as m:
        stop = threading.Event()

        def busy(i):
            while not stop.is_set():
                check_random(m.file(), truth[TYPE], 5, random.Random(i))
                drop_page_cache()
        threads = [threading.Thread(target=busy, args=(i,)) for i in range(8)]
        for t in threads:
            t.start()
        times = []
        for i in range(200):
            began = time.time()
            with contextlib.suppress(FileNotFoundError):
                os.stat(m.point / f'none{i}')
            os.listdir(m.point)
            times.append(time.time() - began)
        stop.set()
        for t in threads:
            t.join()
        times.sort()
        say(f'    lookup and listing while all workers are busy: median {times[100] * 1000:.2f} ms, '
            f'p99 {times[197] * 1000:.2f} ms')
        if times[100] > 0.1:
            raise AssertionError('they wait')


def test_wrong_mountpoints():
    def refused(words, *args):
        r = run('mount', *OPTIONS, *args)
        equal(r.returncode, 1, f'mount {args}')
        if words not in r.stderr or r.stderr.count('\n') != 1:
            raise AssertionError(r.stderr)
    point = Path(tempfile.mkdtemp(dir=work))
    (model / 'below').mkdir()
    refused('mkdir', '--no-cache', model, work / 'missing')
    refused('not a directory', '--no-cache', model, model / 'config.json')
    refused('not empty', '--no-cache', model, work)
    refused('inside one another', '--no-cache', model, model / 'below')
    refused('inside one another', '-o', 'nonempty', '--no-cache', model, work)
    (point / 'cache').mkdir()
    refused('inside one another', '-o', 'nonempty', '--cache', point / 'cache', model, point)
    (model / 'below').rmdir()
    (point / 'file').write_text('x')
    equal(run('mount', '-o', 'nonempty', *OPTIONS, '--no-cache', model, point).returncode, 0, 'nonempty')
    refused('mounted there already', '--no-cache', model, point)
    equal(run('umount', point).returncode, 0, 'umount')
    equal(run('umount', point).returncode, 1, 'umount of nothing')
    refused('there is no such directory', '--no-cache', work / 'nowhere', tempfile.mkdtemp(dir=work))


def test_other_users():
    if os.geteuid() != 0:
        return say('    skipped: not root')

    def as_nobody(path):
        return subprocess.run(['head', '-c', '4', path], user=65534, group=65534, extra_groups=[],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    work.chmod(0o755)
    source = work / 'users' / 'big'
    shutil.copytree(model, source)
    with Mount(source) as m:
        m.point.parent.chmod(0o755)
        equal(as_nobody(m.file()), b'', 'without allow_other')
    with Mount(source, options=['-o', 'allow_other']) as m:
        equal(as_nobody(m.file()), b'GGUF', 'with allow_other')
        equal(as_nobody(m.point / '.quantfs-status'), b'', 'status')
    (source / 'model.safetensors').chmod(0o600)
    with Mount(source, options=['-o', 'allow_other']) as m:
        equal(m.file().stat().st_mode, 0o100400, 'mode')
        equal(as_nobody(m.file()), b'', 'of a private source')
    shutil.rmtree(source.parent)


# In a mount namespace of its own, where everybody may use /dev/fuse: mounts as nobody, ends it in both ways.
AS_NOBODY = '''
set -eu
quantfs=$1 dir=$2 model=$3
as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups env HOME="$dir" "$@"; }
mknod "$dir/fuse" c 10 229 && chmod 666 "$dir/fuse" && mount --bind "$dir/fuse" /dev/fuse || exit 77
as_nobody "$quantfs" mount --no-cache --types Q8_0 "$model" "$dir/point" || exit 77
pid=$(as_nobody "$quantfs" status --json "$dir/point" | sed -n 's/.*"pid":[^0-9]*\\([0-9]*\\).*/\\1/p')
cat "/proc/$pid/status"
kill -TERM "$pid"
for i in $(seq 100); do grep -q "$dir/point" /proc/mounts || break; sleep 0.05; done
! grep "$dir/point" /proc/mounts
as_nobody "$quantfs" mount --no-cache --types Q8_0 "$model" "$dir/point"
as_nobody "$quantfs" umount "$dir/point"
! grep "$dir/point" /proc/mounts
'''


def test_not_root():
    if os.geteuid() != 0:
        return say('    skipped: not root, all the others tell')
    home = Path(tempfile.mkdtemp(dir=work))
    work.chmod(0o755)
    (home / 'point').mkdir()
    shutil.copy(quantfs, home / 'quantfs')  # where nobody can reach it
    for path in (home, home / 'point'):
        os.chown(path, 65534, 65534)
    r = subprocess.run(['unshare', '-m', 'sh', '-c', AS_NOBODY, 'sh', home / 'quantfs', home, model], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True, timeout=60)
    if r.returncode == 77:
        return say(f'    skipped: no mount as nobody here: {r.stderr.strip()}')
    equal(r.returncode, 0, f'as nobody: {r.stderr}')
    confined(r.stdout)
    (home / 'quantfs').unlink()


# -- all --------------------------------------------------------------------------------------------------------------

def main():
    if not os.access('/dev/fuse', os.R_OK | os.W_OK):
        say('skipped: /dev/fuse cannot be used here')
        return 77
    probe = tempfile.mkdtemp(dir=work)
    r = run('mount', *OPTIONS, '--no-cache', model, probe)
    if r.returncode:
        say(f'skipped: nothing can be mounted here: {r.stderr.strip()}')
        return 77
    run('umount', probe)
    failed = 0
    for name, test in list(globals().items()):
        if not name.startswith('test_') or (sys.argv[2:] and name[5:] not in sys.argv[2:]):
            continue
        began = time.time()
        try:
            test()
            say(f'ok    {name[5:]} ({time.time() - began:.1f} s)')
        except Exception as e:
            failed += 1
            line = e.__traceback__.tb_next.tb_lineno if e.__traceback__.tb_next else 0
            say(f'FAIL  {name[5:]} (line {line}): {type(e).__name__}: {e}')
    return 1 if failed else 0


status = 1
try:
    status = main()
finally:
    for point in work.glob('*'):
        if os.path.ismount(point) if point.exists() else True:
            subprocess.run(['umount', '-l', point], stderr=subprocess.DEVNULL)
    shutil.rmtree(work, ignore_errors=True)
sys.exit(status)
