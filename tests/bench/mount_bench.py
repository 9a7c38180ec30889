#!/usr/bin/env python3
"""How fast a mount is, as ratios to something measured beside it: mount_bench.py QUANTFS MEMSET_FUSE [MODEL]

    stream    one reader, cold: dd and llama.cpp's own load of TYPE, against `quantfs cp` of it
    floor     Q8_0, cold, against a FUSE file whose reads only memset
    again     the second load of a mount: from the page cache, no request to the daemon
    remount   from the cache on disk, by `quantfs cat` and the first load of a new mount: also a second of processor time
    latency   the first byte of cold chunks, attributes, listings and headers, while another reader streams

Without MODEL one of made-up weights is generated. Sides of a comparison take turns, and the best of --rounds counts.
--llama names llama.cpp's llama-completion; without it that part is left out. Prints Markdown tables.
"""
import argparse
import contextlib
import ctypes
import json
import mmap
import multiprocessing
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import noise_model  # noqa: E402

MB = 1e6
K_TYPES = ['Q2_K', 'Q3_K_M', 'Q4_K_M', 'Q5_K_M', 'Q6_K']
IQ_TYPES = ['IQ4_XS', 'IQ3_S', 'IQ3_XXS', 'IQ2_S', 'IQ2_XS', 'IQ1_M']


# -- the machine ------------------------------------------------------------------------------------------------------

def forget(path):
    """Drops a tree's files from the page cache."""
    os.sync()
    for file in Path(path).rglob('*'):
        if file.is_file():
            fd = os.open(file, os.O_RDONLY)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)


def remember(path):
    """Brings a tree's files into the page cache, so that a slow disk under a model is not what is measured."""
    for file in Path(path).rglob('*'):
        if file.is_file():
            subprocess.run(['cat', file], stdout=subprocess.DEVNULL, check=True)


def processor_seconds(pid):
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def children_seconds():
    times = os.times()
    return times.children_user + times.children_system


def timed(*command):
    began = time.monotonic()
    subprocess.run([str(word) for word in command], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    return time.monotonic() - began


def dd(path):
    return timed('dd', f'if={path}', 'of=/dev/null', 'bs=1M')


# -- mounts -----------------------------------------------------------------------------------------------------------

@contextlib.contextmanager
def served(command, point):
    """A program that serves a mount in the foreground until the block ends."""
    point.mkdir(exist_ok=True)
    process = subprocess.Popen([str(word) for word in command], stderr=subprocess.DEVNULL)
    try:
        while not os.path.ismount(point):
            if process.poll() is not None:
                sys.exit(f'{" ".join(map(str, command))}: ended with status {process.returncode}')
            time.sleep(0.01)
        yield process.pid
    finally:
        for _ in range(50):
            if subprocess.run(['umount', point], stderr=subprocess.DEVNULL).returncode == 0:
                break
            time.sleep(0.1)
        else:
            subprocess.run(['umount', '-l', point], check=False)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


class Bench:
    def __init__(self, options, work):
        self.options, self.work = options, work
        self.quantfs, self.model = options.quantfs, options.model
        self.point, self.cache = work / 'mnt', work / 'cache'

    def mount(self, *args, cache=True):
        kept = ['--cache', self.cache, '--cache-min-free', '1'] if cache else ['--no-cache']
        return served([self.quantfs, 'mount', '-f', *kept, *args, self.model, self.point], self.point)

    def cold(self):
        shutil.rmtree(self.cache, ignore_errors=True)

    def view(self, kind):
        return self.point / f'{self.model.name}-{kind}.gguf'

    def plan(self, kind, *args):
        return json.loads(subprocess.run([self.quantfs, 'plan', '--json', *args, self.model, kind], check=True,
                                         stdout=subprocess.PIPE).stdout)

    def status(self):
        return json.loads((self.point / '.quantfs-status').read_text())

    def cp(self, kind):
        to = self.work / 'copy.gguf'
        seconds = timed(self.quantfs, 'cp', '--no-cache', self.model, kind, to)
        to.unlink()
        return seconds

    def llama(self, path, mode):
        return timed(self.options.llama, '-m', path, '--load-mode', mode, '-p', 'a', '-n', '1', '-no-cnv', '--no-warmup',
                     '-c', '64')


class Best:
    """The least of each name's values, in order of first mention."""

    def __init__(self):
        self.values = {}

    def add(self, name, value):
        self.values[name] = min(value, self.values.get(name, value))

    def __getitem__(self, name):
        return self.values[name]


def table(*head):
    print('\n| ' + ' | '.join(head) + ' |\n|' + '---|' * len(head), flush=True)


def row(*cells):
    print('| ' + ' | '.join(str(cell) for cell in cells) + ' |', flush=True)


# -- one reader -------------------------------------------------------------------------------------------------------

def stream(bench):
    kind, best = bench.options.type, Best()
    readers = {'dd bs=1M': dd}
    if bench.options.llama:
        for mode in ('mmap', 'none'):
            readers[f'llama.cpp, {mode}'] = lambda path, mode=mode: bench.llama(path, mode)
    for _ in range(bench.options.rounds):
        best.add('cp', bench.cp(kind))
        for name, reader in readers.items():
            for cache in (True, False):
                bench.cold()
                with bench.mount(cache=cache):
                    best.add((name, cache), reader(bench.view(kind)))
    table(f'{kind}, cold', 's', 'of cp', 'without a cache, s', 'of cp', 'wanted')
    row('quantfs cp', f'{best["cp"]:.2f}', '1.00', '', '', '')
    for name in readers:
        kept, bare = best[name, True], best[name, False]
        row(name, f'{kept:.2f}', f'{kept / best["cp"]:.2f}', f'{bare:.2f}', f'{bare / best["cp"]:.2f}', '<= 1.30')


def floor(bench):
    kind, best = 'Q8_0', Best()
    size = bench.plan(kind)['size']
    empty = bench.work / 'memset'
    for _ in range(bench.options.rounds):
        with served([bench.options.memset, empty, size], empty):
            best.add('memset', dd(empty / 'zeros'))
        for cache in (True, False):
            bench.cold()
            with bench.mount(cache=cache):
                best.add(cache, dd(bench.view(kind)))
    table(f'{kind}, cold, {size / MB:.0f} MB', 's', 'MB/s', 'of memset', 'wanted')
    for name, what in (('memset', 'memset only'), (True, 'quantfs'), (False, 'quantfs, without a cache')):
        seconds = best[name]
        row(what, f'{seconds:.2f}', f'{size / MB / seconds:.0f}', f'{best["memset"] / seconds:.2f}',
            '>= 0.80' if name != 'memset' else '')


# -- again ------------------------------------------------------------------------------------------------------------

def again(bench):
    kind = bench.options.type
    readers = {'dd bs=1M': dd}
    if bench.options.llama:
        readers['llama.cpp, mmap'] = lambda path: bench.llama(path, 'mmap')
    table(f'{kind}, again', 'first, s', 'second, s', 'reads at the daemon in the second', 'wanted')
    for name, reader in readers.items():
        best = Best()
        for _ in range(bench.options.rounds):  # others may drop the machine's page cache meanwhile
            bench.cold()
            with bench.mount():
                best.add('first', reader(bench.view(kind)))
                before = bench.status()['mount']['reads']
                best.add('second', reader(bench.view(kind)))
                best.add('reads', bench.status()['mount']['reads'] - before)
        row(name, f'{best["first"]:.2f}', f'{best["second"]:.2f}', best['reads'], 0)


def remount(bench):
    """What the cache gives is measured by `quantfs cat`, too, since most of a mount's time is FUSE's: the daemon's bytes a
    second of processor are beside those of a memset-only file. The disk's speed is that of dd on a plain copy, as cold."""
    table('from the cache on disk', 'MB', 's', 'MB/s', 'MB per s of processor', 'wanted')
    for kind in dict.fromkeys((bench.options.type, 'Q8_0')):
        best, size = Best(), bench.plan(kind)['size']
        bench.cold()
        subprocess.run([bench.quantfs, 'prefetch', '--cache', bench.cache, '--cache-min-free', '1', bench.model, kind],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        plain = bench.work / 'plain'
        plain.mkdir()
        subprocess.run([bench.quantfs, 'cp', '--cache', bench.cache, bench.model, kind, plain / 'view'], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def side(name, read, cpu_of=None):
            def cpu():
                return processor_seconds(cpu_of) if cpu_of else children_seconds()
            before = cpu()
            best.add(name, read())
            best.add((name, 'cpu'), cpu() - before)

        def cat():
            return timed(bench.quantfs, 'cat', '--cache', bench.cache, bench.model, kind)
        for _ in range(bench.options.rounds):
            side('quantfs cat', cat)
            with bench.mount() as pid:
                side('mount', lambda: dd(bench.view(kind)), pid)
                if not bench.status()['disk_cache']['hits']:
                    print(f'{kind} does not come from the cache on disk')
            empty = bench.work / 'memset'
            with served([bench.options.memset, empty, size], empty) as pid:
                side('memset-only FUSE', lambda: dd(empty / 'zeros'), pid)
            forget(bench.cache)
            side('quantfs cat, cold disk', cat)
            forget(plain)
            side('dd of a plain copy, cold disk', lambda: dd(plain / 'view'))
        shutil.rmtree(plain)
        for name, wanted in (('quantfs cat', '>= 1500 a processor'), ('mount', ''), ('memset-only FUSE', ''),
                             ('quantfs cat, cold disk', "the disk's"), ('dd of a plain copy, cold disk', '')):
            row(f'{kind}, {name}', f'{size / MB:.0f}', f'{best[name]:.2f}', f'{size / MB / best[name]:.0f}',
                f'{size / MB / max(best[name, "cpu"], 0.01):.0f}', wanted)


# -- latency ----------------------------------------------------------------------------------------------------------

def write_importances(path, plan):
    """llama-imatrix's older format, with made-up importances for every matrix but the embeddings."""
    rng = random.Random(1)
    matrices = [t for t in plan['tensors'] if len(t['shape']) > 1 and 'embd' not in t['name']]
    with open(path, 'wb') as file:
        file.write(struct.pack('<i', len(matrices)))
        for tensor in matrices:
            n = tensor['shape'][0] * (tensor['shape'][2] if len(tensor['shape']) > 2 else 1)
            name = tensor['name'].encode()
            values = [rng.lognormvariate(0, 1) for _ in range(n)]
            file.write(struct.pack(f'<i{len(name)}sii{n}f', len(name), name, 1, n, *values))


def each(period, call, stop, results):
    """Calls until told to stop; the seconds of each call to `results`."""
    times = []
    while not stop.is_set():
        began = time.monotonic()
        call()
        times.append(time.monotonic() - began)
        time.sleep(period)
    results.put(times)


def attributes_of(path):
    """A getattr that asks the daemon: statx with AT_STATX_FORCE_SYNC."""
    libc, buffer, name = ctypes.CDLL(None, use_errno=True), ctypes.create_string_buffer(256), os.fsencode(path)
    return lambda: libc.statx(-100, name, 0x2000, 0x7ff, buffer)


def header_of(path):
    """A read of the header that asks the daemon: not through the page cache."""
    fd, buffer = os.open(path, os.O_RDONLY | os.O_DIRECT), mmap.mmap(-1, 4096)
    return lambda: os.preadv(fd, [buffer], 0)


def streaming(paths, stop):
    while not stop.is_set():
        for path in paths:
            with open(path, 'rb', buffering=0) as file:
                buffer = bytearray(1 << 20)
                while not stop.is_set() and file.readinto(buffer):
                    pass
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def cold_reads(path, offsets, results):
    fd = os.open(path, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
    times = []
    for offset in offsets:
        began = time.monotonic()
        os.pread(fd, 1, offset)
        times.append(time.monotonic() - began)
        time.sleep(0.002)
    results.put(times)


def percentile(times, share):
    return sorted(times)[min(len(times) - 1, int(len(times) * share))]


def latency(bench):
    """Chunks of the last quarter of a view are read at random, each once, while another reader streams it from its start:
    it does not come so far meanwhile."""
    table('while another reader streams', 'reads', 'median, ms', 'p99, ms', 'most, ms', 'wanted p99')
    importances = bench.work / 'made-up.imatrix'
    write_importances(importances, bench.plan('Q8_0'))
    beside = {}
    for kind in K_TYPES + IQ_TYPES:
        args = ['--imatrix', importances] if kind.startswith('IQ') else []
        plan = bench.plan(kind, *args)
        probed = [t for t in plan['tensors'] if t['bytes'] > 1 << 20 and t['type'].lower().startswith(kind.split('_')[0].lower())]
        chunk_bytes = 1 << 18
        places = [t['offset'] + at for t in probed for at in range(0, t['bytes'], chunk_bytes)]
        far = [p for p in places if p > plan['size'] * 3 // 4]
        offsets = random.Random(kind).sample(far, min(bench.options.samples, len(far)))
        bench.cold()
        with bench.mount('--types', kind, *args):
            measure(bench, kind, offsets, beside)
    for name, times in beside.items():
        row(name, len(times), *(f'{1000 * percentile(times, share):.1f}' for share in (0.5, 0.99, 1)), '5')


def measure(bench, kind, offsets, beside):
    path, stop, results = bench.view(kind), multiprocessing.Event(), {}
    calls = {'getattr': attributes_of(path), 'readdir': lambda: os.listdir(bench.point), 'header read': header_of(path)}
    everyone = [multiprocessing.Process(target=streaming, args=([path], stop))]
    for name, call in calls.items():
        results[name] = multiprocessing.SimpleQueue()
        everyone.append(multiprocessing.Process(target=each, args=(0.01, call, stop, results[name])))
    results['cold'] = multiprocessing.SimpleQueue()
    prober = multiprocessing.Process(target=cold_reads, args=(path, offsets, results['cold']))
    for process in everyone:
        process.start()
    time.sleep(0.3)
    prober.start()
    times = results['cold'].get()
    stop.set()
    for name in calls:
        beside.setdefault(name, []).extend(results[name].get())
    for process in [prober, *everyone]:
        process.join()
    row(f'{kind}, first byte of a cold chunk', len(times),
        *(f'{1000 * percentile(times, share):.1f}' for share in (0.5, 0.99, 1)), '50' if kind in K_TYPES else '100')


# -- all --------------------------------------------------------------------------------------------------------------

SECTIONS = {'stream': stream, 'floor': floor, 'again': again, 'remount': remount, 'latency': latency}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('quantfs', type=os.path.abspath)
    parser.add_argument('memset', type=os.path.abspath)
    parser.add_argument('model', type=Path, nargs='?')
    parser.add_argument('--only', choices=SECTIONS, action='append', help='this part; may be given more than once')
    parser.add_argument('--type', default='Q4_K_M', help='the view that is streamed')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--samples', type=int, default=200, help='cold chunks read of each type')
    parser.add_argument('--llama', help="path of llama.cpp's llama-completion")
    parser.add_argument('--work', type=Path, help='an empty folder with some GB free (default: a temporary one)')
    options = parser.parse_args()
    with contextlib.suppress(PermissionError):
        os.nice(-10)  # what else runs here should not be what is measured
    work = Path(tempfile.mkdtemp(prefix='quantfs-bench-', dir=options.work))
    try:
        if not options.model:
            options.model = noise_model.make(work / 'made-up', name='made-up', hidden=2048, ffn=5632, layers=8)
        options.model = options.model.resolve()
        remember(options.model)
        bench = Bench(options, work)
        print(f'{options.model.name}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}')
        for name in options.only or SECTIONS:
            SECTIONS[name](bench)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == '__main__':
    main()
