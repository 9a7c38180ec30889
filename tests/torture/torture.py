#!/usr/bin/env python3
"""What must not happen, tried many times: torture.py QUANTFS FAULT_LIBRARY [--short] [--seed N] [TEST…]

    kills     kill -9 while the cache is being filled
    damage    bits, bytes and lengths of cache files changed behind our back
    faults    reads, writes, opens and memory that fail now and then (FAULT_LIBRARY preloaded)
    faulty_mount  the same to a mount's daemon
    memory    each allocation of a command fails in turn
    copies    quantfs cp with reads, writes and renames that fail
    poison    new and freed memory full of noise: nothing of it is in a view
    processes many processes that fill one cache at once
    ways      reads of every kind, size and place on a mount, compared with a plain file
    fio       fio's readers on a mount (where fio is installed)
    epochs    each chunk is computed at most once by all readers, and by all mounts after a kill
    chaos     64 readers on 8 views of a mount, with the source replaced, the cache cleared, its disk full,
              and the daemon killed and started again

Every byte that anybody gets is compared with what it should be. An error is an answer; a wrong byte, a crash, or a
reader that waits for ever is not. --short is what the test suite runs.
"""
import argparse, contextlib, errno, functools, json, mmap, os, random, shutil, signal, struct, subprocess, sys, tempfile, threading, time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import noise_model

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument('quantfs')
parser.add_argument('fault')
parser.add_argument('--short', action='store_true')
parser.add_argument('--seed', type=int, default=None)
parser.add_argument('test', nargs='*')
args = parser.parse_intermixed_args()
quantfs, fault = os.path.abspath(args.quantfs), os.path.abspath(args.fault)
seed = args.seed if args.seed is not None else random.randrange(1 << 30)
rng = random.Random(seed)
work = Path(tempfile.mkdtemp(prefix='quantfs-torture-'))
TYPES = ['Q4_K_M', 'Q8_0', 'Q6_K', 'Q4_0', 'IQ4_XS', 'Q5_K_S', 'F16', 'Q2_K']
ROUNDS = dict(kills=(40, 1000), damage=(40, 1000), faults=(60, 2000), memory=(40, 4000), copies=(16, 400),
              faulty_mount=(4, 100), processes=(2, 50), ways=(1500, 100000), fio=(1, 20), epochs=(2, 12), chaos=(10, 300))


# A sanitizer brings its own malloc, and memory of its own.
sanitized = b'__sanitizer' in Path(quantfs).read_bytes()


def rounds(name):
    return ROUNDS[name][not args.short]


def say(*words):
    print(*words, flush=True)


def run(*words, **more):
    more = dict(dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120), **more)
    return subprocess.run([quantfs, *map(str, words)], **more)


def kept(cache):
    """The options of a cache, whatever is left on this machine's disk."""
    return '--cache', cache, '--cache-min-free', '1'


# -- models: the same shapes, other weights ---------------------------------------------------------------------------

make = functools.partial(noise_model.make, name='model', hidden=512, ffn=1024)


def truth_of(folder):
    out = {}
    for kind in TYPES:
        r = run('cat', '--no-cache', folder, kind)
        assert r.returncode == 0, r.stderr
        out[kind] = r.stdout
    return out


model = make(work / 'a' / 'model', 'a')
truth = truth_of(model)


def check(data, kind, what):
    if data != truth[kind]:
        at = next((i for i, (x, y) in enumerate(zip(data, truth[kind])) if x != y), min(len(data), len(truth[kind])))
        raise AssertionError(f'{what}: {kind} differs at {at} ({len(data)} of {len(truth[kind])} bytes)')


def check_prefix(data, kind, what):
    if not truth[kind].startswith(data):
        raise AssertionError(f'{what}: {kind} is wrong before its error')


# -- tests ------------------------------------------------------------------------------------------------------------

def test_kills():
    """A cache that was being filled when its process died gives right bytes or none."""
    cache, killed = work / 'kills', 0
    for i in range(rounds('kills')):
        kind = rng.choice(TYPES)
        if rng.random() < 0.5:  # else it goes on with what the last one left
            run('cache', 'clear', *kept(cache))
        p = subprocess.Popen([quantfs, 'prefetch', '--quiet', *kept(cache), model, *rng.sample(TYPES, 3)],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.random() * 0.08)
        p.kill()
        killed += p.wait() < 0
        if i % 8 == 0 or i + 1 == rounds('kills'):
            r = run('cat', *kept(cache), model, kind)
            assert r.returncode == 0, r.stderr
            check(r.stdout, kind, f'after {i + 1} kills')
    assert killed > rounds('kills') // 10, f'only {killed} were still at work'
    return f'{rounds("kills")} kills, {killed} of processes at work'


def damage(path, others):
    """One wound; says of what kind."""
    size = path.stat().st_size
    kind = rng.choice(['bit', 'bytes', 'zeros', 'cut', 'grow', 'swap', 'version', 'empty', 'move'])
    with open(path, 'r+b') as f:
        at = rng.randrange(max(size, 1))
        if kind == 'bit':
            for _ in range(rng.choice([1, 1, 8])):
                at = rng.choice([rng.randrange(size), rng.randrange(min(size, 4096))])
                f.seek(at)
                b = f.read(1)
                f.seek(at)
                f.write(bytes([b[0] ^ 1 << rng.randrange(8)]) if b else b'')
        elif kind == 'bytes':
            f.seek(at)
            f.write(rng.randbytes(rng.choice([1, 8, 4096, 65536])))
        elif kind == 'zeros':
            f.seek(rng.choice([at, 0]))
            f.write(bytes(rng.choice([16, 4096, 65536])))
        elif kind == 'cut':
            f.truncate(at)
        elif kind == 'grow':
            f.truncate(size + rng.randrange(1, 1 << 20))
        elif kind == 'version':
            f.seek(rng.choice([0, 4, 8]))
            f.write(struct.pack('<I', rng.randrange(1 << 32)))
        elif kind == 'empty':
            f.truncate(0)
        elif kind == 'move':  # a chunk's bytes in another's place
            f.seek(at)
            part = f.read(16384)
            f.seek(rng.randrange(size))
            f.write(part)
    if kind == 'swap':
        other = rng.choice(others)
        a, b = path.read_bytes(), other.read_bytes()
        path.write_bytes(b)
        other.write_bytes(a)
    return kind


def test_damage():
    """Damaged cache files are noticed and healed."""
    cache = work / 'damage'
    noticed = 0
    for i in range(rounds('damage')):
        kind = rng.choice(TYPES)
        r = run('cat', *kept(cache), model, kind)
        assert r.returncode == 0, r.stderr
        check(r.stdout, kind, f'round {i}')
        files = [p for p in cache.rglob('*') if p.is_file() and p.stat().st_size]
        wounds = [damage(rng.choice(files), files) for _ in range(rng.choice([1, 3]))]
        kind = kind if rng.random() < 0.8 else rng.choice(TYPES)
        r = run('cat', *kept(cache), model, kind)
        assert r.returncode == 0, (wounds, r.stderr)
        check(r.stdout, kind, f'round {i}, {wounds}')
        noticed += bool(r.stderr)
        if i % 50 == 49:
            assert run('cache', 'verify', '--quiet', *kept(cache)).returncode in (0, 1)
            assert run('cache', 'verify', '--quiet', *kept(cache)).returncode == 0, 'a second scrub finds damage'
    return f'{rounds("damage")} rounds, {noticed} with a warning'


def test_faults():
    """Whatever fails: right bytes and success, or a right beginning and an error."""
    cache = work / 'faults'
    ended = {}
    for i in range(rounds('faults')):
        kind = rng.choice(TYPES)
        what = rng.choice(['pread', 'pwrite', 'open', 'malloc'])
        rate = rng.choice([3, 20, 100, 500])
        env = dict(os.environ, LD_PRELOAD=fault, QFS_FAULT=f'{what}:{rate}', QFS_FAULT_SEED=str(rng.randrange(1 << 30)))
        r = run('cat', *kept(cache), model, kind, env=env)
        name = f'{what}:{rate} seed {env["QFS_FAULT_SEED"]}'
        assert r.returncode >= 0, f'{name}: {kind} dies of signal {-r.returncode}: {r.stderr[-300:]}'
        if r.returncode == 0:
            check(r.stdout, kind, name)
        else:
            check_prefix(r.stdout, kind, name)
            assert r.stderr, f'{name}: fails without a word'
        ended[what, r.returncode == 0] = ended.get((what, r.returncode == 0), 0) + 1
        if rng.random() < 0.2:
            run('cache', 'clear', *kept(cache))
    r = run('cat', *kept(cache), model, 'Q4_K_M')
    check(r.stdout, 'Q4_K_M', 'after all faults')
    assert any(not good for _, good in ended), 'nothing ever failed: is the library loaded?'
    return ', '.join(f'{k} {"done" if good else "refused"} {n}' for (k, good), n in sorted(ended.items()))


def test_memory():
    """Each allocation fails in turn: right bytes, or an error with a word; in the short form some of them."""
    if sanitized:
        return 'skipped: a sanitizer allocates'
    done = refused = 0
    number, since = 1, 0
    while number < rounds('memory') * (25 if args.short else 1) and since < 300:  # beyond the last one nothing fails
        env = dict(os.environ, LD_PRELOAD=fault, QFS_FAULT=f'malloc@{number}')
        r = run('cat', '--no-cache', '-j', '1', '--length', '65536', '--offset', '1M', model, 'Q4_K_M', env=env)
        assert r.returncode in (0, 1), f'allocation {number}: {r.returncode}: {r.stderr[-300:]}'
        if r.returncode == 0:
            assert r.stdout == truth['Q4_K_M'][1 << 20:][:65536], f'allocation {number}: wrong bytes'
        else:
            assert r.stderr and truth['Q4_K_M'][1 << 20:].startswith(r.stdout), f'allocation {number}: {r.stderr}'
        done, refused = done + (r.returncode == 0), refused + (r.returncode == 1)
        since = 0 if r.returncode else since + 1
        number += rng.randrange(1, 50) if args.short else 1
    assert refused > 3, 'no allocation was needed'
    return f'{done + refused} of the first {number} allocations: {refused} refused, {done} done without'


def test_copies():
    """A copy is whole or not there; one that failed goes on where it stopped."""
    folder, ended = work / 'copies', {True: 0, False: 0}
    folder.mkdir()
    for i in range(rounds('copies')):
        kind, dest = rng.choice(TYPES), folder / 'copy.gguf'
        what = rng.choice(['rename:1', 'fsync:1', 'pwrite:3', 'pwrite:30', 'pread:10', 'open:8', 'malloc:300',
                           'pwrite:10,pread:40'])
        env = dict(os.environ, LD_PRELOAD=fault, QFS_FAULT=what, QFS_FAULT_SEED=str(rng.randrange(1 << 30)))
        r = run('cp', '--quiet', '--no-cache', model, kind, dest, env=env)
        name = f'cp with {what} seed {env["QFS_FAULT_SEED"]}'
        assert r.returncode >= 0, f'{name}: dies of signal {-r.returncode}'
        ended[r.returncode == 0] += 1
        if r.returncode == 0:
            check(dest.read_bytes(), kind, name)
        else:
            assert r.stderr, f'{name}: fails without a word'
            if dest.exists():  # it was renamed, and something failed after that
                check(dest.read_bytes(), kind, name)
            dest.unlink(missing_ok=True)
            r = run('cp', '--quiet', '--no-cache', model, kind, dest)
            assert r.returncode == 0, f'{name}, then without: {r.stderr}'
            check(dest.read_bytes(), kind, f'{name}, then without')
        for path in folder.iterdir():
            path.unlink()
    assert ended[False], 'nothing ever failed'
    return f'{ended[True]} done, {ended[False]} refused and then done'


def test_poison():
    """What malloc hands out and free leaves behind is never read."""
    for kind in TYPES:
        for byte in (1, 165):
            r = run('cat', '--no-cache', model, kind, env=dict(os.environ, MALLOC_PERTURB_=str(byte)))
            assert r.returncode == 0, r.stderr
            check(r.stdout, kind, f'memory full of {byte} and {255 - byte}')
    return f'{2 * len(TYPES)} views'


def test_faulty_mount():
    """A daemon whose reads, writes and memory fail goes on, and its readers get right bytes or EIO."""
    if not os.access('/dev/fuse', os.R_OK | os.W_OK):
        return 'skipped: needs /dev/fuse'
    point, errors, reads = work / 'faulty', 0, 0
    point.mkdir()
    for i in range(rounds('faulty_mount')):
        env = dict(os.environ, LD_PRELOAD=fault, QFS_FAULT_SEED=str(rng.randrange(1 << 30)))
        p = subprocess.Popen([quantfs, 'mount', '-f', *kept(work / 'faulty-cache'), '--types', ','.join(TYPES), model,
                              point], env=dict(env, QFS_FAULT=rng.choice(['pread:40,pwrite:10', 'pread:9', 'malloc:300',
                                                                          'malloc:3000,pread:400'])),
                             stderr=subprocess.PIPE)
        for _ in range(500):
            if os.path.ismount(point) or p.poll() is not None:
                break
            time.sleep(0.01)
        if p.poll() is not None:  # refused to start
            said = p.stderr.read()
            assert p.returncode > 0 and said, f'mount ends with {p.returncode}: {said}'
            continue
        for _ in range(40):
            kind = rng.choice(TYPES)
            try:
                with open(point / f'model-{kind}.gguf', 'rb', buffering=0) as f:
                    at = rng.randrange(len(truth[kind]))
                    data = os.pread(f.fileno(), rng.choice([100, 65536, 1 << 20]), at)
                    reads += 1
                    assert data and truth[kind][at:at + len(data)] == data, f'{kind}: wrong bytes at {at}'
            except OSError as e:
                errors += 1
                assert e.errno in (errno.EIO, errno.ENOMEM, errno.ESTALE), f'{e}'
        assert p.poll() is None, f'the daemon died: {p.returncode}: {p.stderr.read()[-300:]}'
        p.terminate()
        assert p.wait(20) == 0, p.stderr.read()
    return f'{reads} reads, {errors} errors'


def test_processes():
    """Many processes fill and read one cache."""
    for i in range(rounds('processes')):
        cache = work / 'processes'
        run('cache', 'clear', *kept(cache))
        kinds = [rng.choice(TYPES) for _ in range(8)]
        answers = {}

        def read(number, kind):
            answers[number] = kind, run('cat', *kept(cache), model, kind)
        readers = [threading.Thread(target=read, args=(n, rng.choice(TYPES))) for n in range(8)]
        for t in readers:
            t.start()
        if i % 2:
            run('cache', 'clear', *kept(cache))
        for t in readers:
            t.join()
        assert len(answers) == 8, 'a process did not end'
        for kind, r in answers.values():
            assert r.returncode == 0, r.stderr
            check(r.stdout, kind, 'one of eight')
    return f'{rounds("processes")} rounds of 8'


def can_mount():
    return os.access('/dev/fuse', os.R_OK | os.W_OK)


@contextlib.contextmanager
def mounted(*options):
    point = Path(tempfile.mkdtemp(dir=work))
    r = run('mount', *options, '--types', ','.join(TYPES), model, point)
    assert r.returncode == 0, r.stderr
    try:
        yield point
    finally:
        r = run('umount', point)
        if r.returncode:
            run('umount', '--lazy', point)
    assert r.returncode == 0, r.stderr


def status_of(point):
    return json.loads(run('status', '--json', point).stdout)


def read_some(r, path, want, size):
    """One read of a random kind, place and size: what came, and what should have."""
    how = r.choice(['pread', 'preadv', 'direct', 'mmap', 'read', 'sendfile', 'splice'])
    at, n = r.randrange(size), r.choice([1, 511, 4096, 4097, 65536, 300000, 1 << 20])
    if how == 'direct':
        at, n = at & ~4095, n + 4095 & ~4095
    fd = os.open(path, os.O_RDONLY | (os.O_DIRECT if how == 'direct' else 0))
    try:
        os.posix_fadvise(fd, 0, 0, r.choice([os.POSIX_FADV_NORMAL, os.POSIX_FADV_RANDOM, os.POSIX_FADV_SEQUENTIAL]))
        if how == 'mmap':
            with mmap.mmap(fd, 0, prot=mmap.PROT_READ, flags=r.choice([mmap.MAP_SHARED, mmap.MAP_PRIVATE])) as whole:
                got = whole[at:at + n]
        elif how == 'pread':
            got = os.pread(fd, n, at)
        elif how in ('preadv', 'direct'):
            buffer = mmap.mmap(-1, n)
            got = buffer[:os.preadv(fd, [buffer], at)]
        elif how == 'read':
            os.lseek(fd, at, os.SEEK_SET)
            got = os.read(fd, n)
        else:
            n = min(n, 65536)  # a pipe's
            ends = os.pipe()
            sent = os.sendfile(ends[1], fd, at, n) if how == 'sendfile' else os.splice(fd, ends[1], n, offset_src=at)
            got = os.read(ends[0], sent) if sent else b''
            for end in ends:
                os.close(end)
            n = sent
        if r.random() < 0.1:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)  # so that it is read again
    finally:
        os.close(fd)
    assert got == want[at:at + n], f'{how} of {n} bytes at {at}: {len(got)} bytes, other than the plain file\'s'
    return how


def held_by(pid):
    """Open files and resident bytes of a process."""
    text = Path(f'/proc/{pid}/status').read_text()
    return len(os.listdir(f'/proc/{pid}/fd')), int(text.split('VmRSS:')[1].split()[0]) * 1024


def test_ways():
    """As fsx does: random reads and maps, here against a plain file's bytes. The daemon does not grow meanwhile."""
    if not can_mount():
        return 'skipped: needs /dev/fuse'
    done = {}
    with mounted(*kept(work / 'ways'), '--memory', '4M') as point:
        pid, early = status_of(point)['mount']['pid'], None
        for i in range(rounds('ways')):
            if i == rounds('ways') // 3:
                early = held_by(pid)
            kind = rng.choice(TYPES)
            how = read_some(rng, point / f'model-{kind}.gguf', truth[kind], len(truth[kind]))
            done[how] = done.get(how, 0) + 1
        late = held_by(pid)
    assert late[0] <= early[0] + 4, f'{early[0]} open files, later {late[0]}'
    assert late[1] <= early[1] + (24 << 20), f'{early[1] >> 20} MiB resident, later {late[1] >> 20}'
    return ', '.join(f'{how} {n}' for how, n in sorted(done.items())) + f'; {late[0]} files, {late[1] >> 20} MiB'


def test_fio():
    """fio's engines read at random and in order, all at once; afterwards the page cache holds the right bytes."""
    if not can_mount() or not shutil.which('fio'):
        return 'skipped: needs /dev/fuse and fio'
    words, reads = ['fio', '--output-format=json', '--readonly', '--runtime=60', '--thread'], 0
    with mounted(*kept(work / 'fio'), '--memory', '16M') as point:
        for i, (engine, how) in enumerate((('psync', 'randread'), ('mmap', 'randread'), ('pvsync', 'read'), ('sync', 'read'))):
            words += [f'--name={engine}-{how}', f'--filename={point}/model-{TYPES[i]}.gguf', f'--ioengine={engine}',
                      f'--rw={how}', '--numjobs=4', '--bsrange=512-256k', '--norandommap', '--fallocate=none']
        for _ in range(rounds('fio')):
            r = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)
            assert r.returncode == 0, r.stderr
            jobs = json.loads(r.stdout[r.stdout.index(b'{'):])['jobs']
            assert len(jobs) == 16 and not any(job['error'] for job in jobs), jobs
            reads += sum(job['read']['total_ios'] for job in jobs)
            for kind in TYPES[:4]:
                check((point / f'model-{kind}.gguf').read_bytes(), kind, 'after fio')
        errors = status_of(point)['mount']['read_errors']
        assert not errors, f'{errors} reads failed'
    return f'{reads} reads'


def test_epochs():
    """Whoever reads, a chunk is computed once: memory or the cache has it from then on, also after a kill."""
    if not can_mount():
        return 'skipped: needs /dev/fuse'
    cache, kinds = work / 'epochs', [k for k in TYPES if k != 'F16']  # float views are not cached on disk
    r = run('prefetch', '--quiet', *kept(cache), model, *kinds)
    assert r.returncode == 0, r.stderr
    distinct = json.loads(run('cache', 'stat', '--json', *kept(cache)).stdout)['chunks']
    run('cache', 'clear', *kept(cache))
    stored = 0

    def reader(number, point, until):
        r = random.Random(seed + number)
        while time.time() < until:
            kind = r.choice(kinds)
            try:
                with open(point / f'model-{kind}.gguf', 'rb', buffering=0) as f:
                    at = r.randrange(len(truth[kind]))
                    data = os.pread(f.fileno(), r.choice([100, 65536, 1 << 20]), at)
                    assert truth[kind][at:at + len(data)] == data, f'{kind}: wrong bytes at {at}'
                    os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            except OSError:  # killed
                time.sleep(0.01)
            except AssertionError as e:
                wrong.append(str(e))
    for epoch in range(rounds('epochs')):
        wrong = []
        with mounted(*kept(cache), '--memory', '6M', '--force') as point:
            threads = [threading.Thread(target=reader, args=(i, point, time.time() + 4)) for i in range(64)]
            for t in threads:
                t.start()
            for t in threads:
                t.join(60)
                assert not t.is_alive(), 'a reader hangs'
            status = status_of(point)
            disk = status['disk_cache']
            assert not disk['skipped'] and not disk['errors'], disk
            stored += disk['stored']
            if epoch % 2:  # the next one has what this one left
                os.kill(status['mount']['pid'], signal.SIGKILL)
        assert not wrong, wrong[0]
    assert stored <= distinct, f'{stored} chunks were computed of {distinct} that there are'
    assert stored > distinct // 4, f'only {stored} of {distinct} chunks were computed'
    return f'{stored} chunks computed in {rounds("epochs")} mounts, of {distinct} that there are'


class Chaos:
    """A mount that is killed, readers that go on, and what a byte may be."""

    def __init__(self):
        self.disk = work / 'disk'  # a small one, so that it is full soon
        self.disk.mkdir()
        self.small = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=12m', 'none', self.disk],
                                    stderr=subprocess.DEVNULL).returncode == 0
        self.point = work / 'mnt'
        self.point.mkdir()
        self.source = work / 'model'
        self.link('a')
        self.stop = threading.Event()
        self.reads = self.errors = 0
        self.wrong = []
        self.lock = threading.Lock()
        self.start()

    def link(self, which):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(work / 'next')
        os.symlink(work / which / 'model', work / 'next')
        os.rename(work / 'next', self.source)

    def start(self):
        r = run('mount', '--force', *kept(self.disk / 'cache'), '--memory', '48M',
                '--types', ','.join(TYPES), self.source, self.point)
        assert r.returncode == 0, r.stderr
        status = run('status', self.point)
        assert status.returncode == 0, status.stderr
        self.pid = json.loads(status.stdout)['mount']['pid']

    def resident(self):
        with contextlib.suppress(OSError):
            for line in open(f'/proc/{self.pid}/status'):
                if line.startswith('VmHWM'):
                    return int(line.split()[1]) * 1024
        return 0

    def read(self, number):
        r = random.Random(seed * 1000 + number)
        while not self.stop.is_set():
            kind = r.choice(TYPES)
            try:
                fd = os.open(self.point / f'model-{kind}.gguf', os.O_RDONLY)
            except OSError as e:
                self.saw(e)
                continue
            may_be = dict(worlds)  # an open file is of one version, whichever
            try:
                size = os.fstat(fd).st_size
                for _ in range(r.randrange(1, 30)):
                    at = r.randrange(size)
                    want = r.choice([1, 100, 4096, 65536, 1 << 20])
                    data = os.pread(fd, want, at)
                    # The kernel gives what it had when a read fails half-way: short, and right.
                    may_be = {k: w for k, w in may_be.items() if w[kind][at:at + len(data)] == data}
                    with self.lock:
                        self.reads += 1
                    if not may_be:
                        alone = [k for k, w in worlds.items() if w[kind][at:at + len(data)] == data]
                        self.wrong.append(f'{kind}: {len(data)} bytes at {at} of {size} are of '
                                          f'{alone[0] + ", what came before is not" if alone else "no version"}')
                        return
            except OSError as e:
                self.saw(e)
            finally:
                with contextlib.suppress(OSError):
                    os.close(fd)

    def saw(self, e):
        with self.lock:
            self.errors += 1
        if e.errno not in (errno.ESTALE, errno.EIO, errno.ENOTCONN, errno.ECONNABORTED, errno.ENOENT, errno.EINTR):
            self.wrong.append(f'unexpected error: {e}')
        time.sleep(0.01)

    def trouble(self):
        what = rng.choice(['replace', 'clear', 'kill', 'fill', 'nothing'])
        if what == 'replace':
            self.link(rng.choice('ab'))
        elif what == 'clear':
            run('cache', 'clear', *kept(self.disk / 'cache'))
        elif what == 'fill' and self.small:
            with contextlib.suppress(OSError), open(self.disk / 'filler', 'wb') as f:
                f.write(bytes(rng.choice([1, 4, 16]) << 20))
            time.sleep(0.5)
            with contextlib.suppress(OSError):
                os.unlink(self.disk / 'filler')
        elif what == 'kill':
            os.kill(self.pid, signal.SIGKILL)
            time.sleep(rng.random() * 0.3)
            self.start()

    def end(self):
        self.stop.set()
        run('umount', '--lazy', self.point)
        for point in (self.point, self.disk):
            subprocess.run(['umount', '-l', point], stderr=subprocess.DEVNULL)


worlds = {}


def test_chaos():
    if not os.access('/dev/fuse', os.R_OK | os.W_OK) or os.geteuid() != 0:
        return 'skipped: needs /dev/fuse and root'
    worlds.update(a=truth, b=truth_of(make(work / 'b' / 'model', 'b')))
    chaos, largest = Chaos(), 0
    try:
        threads = [threading.Thread(target=chaos.read, args=(i,), daemon=True) for i in range(64)]
        for t in threads:
            t.start()
        end = time.time() + rounds('chaos')
        while time.time() < end and not chaos.wrong:
            time.sleep(rng.random() * 2)
            largest = max(largest, chaos.resident())
            chaos.trouble()
        chaos.stop.set()
        for t in threads:
            t.join(60)
            assert not t.is_alive(), 'a reader hangs'
    finally:
        chaos.end()
    assert not chaos.wrong, chaos.wrong[0]
    assert chaos.reads > 100, f'only {chaos.reads} reads'
    assert largest < (900 if sanitized else 300) << 20, f'{largest >> 20} MiB resident'
    return f'{chaos.reads} reads, {chaos.errors} errors, {largest >> 20} MiB'


# -- all --------------------------------------------------------------------------------------------------------------

def main():
    say(f'seed {seed}')
    failed = 0
    for name, test in list(globals().items()):
        if not name.startswith('test_') or (args.test and name[5:] not in args.test):
            continue
        began = time.time()
        try:
            said = test()
            say(f'ok    {name[5:]}: {said} ({time.time() - began:.1f} s)')
        except Exception as e:
            failed += 1
            say(f'FAIL  {name[5:]} (seed {seed}): {type(e).__name__}: {e}')
    return 1 if failed else 0


status = 1
try:
    status = main()
finally:
    shutil.rmtree(work, ignore_errors=True)
sys.exit(status)
