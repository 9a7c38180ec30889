#!/usr/bin/env python3
"""Golden test on the project's own models: every row of digests.txt, through `quantfs cat` and through a mount.

    run.py QUANTFS WORK_DIR

A `refused:` row must fail with a sentence. Where there is no /dev/fuse the mount is left out, with a word.
"""
import hashlib
import os
import pathlib
import subprocess
import sys

here = pathlib.Path(__file__).resolve().parent
quantfs, work = sys.argv[1], pathlib.Path(sys.argv[2])
rows = {}
for line in (here / 'digests.txt').read_text().splitlines():
    name, kind, size, digest = line.split(maxsplit=3)
    rows.setdefault(name, []).append((kind, int(size), digest))

work.mkdir(parents=True, exist_ok=True)
env = dict(os.environ, XDG_CACHE_HOME=str(work / 'cache'))
wrong = checked = 0


def verdict(good, what):
    global wrong, checked
    checked += 1
    if not good:
        wrong += 1
        print('differs:', what)


for name, kinds in rows.items():
    folder = work / name
    if not (folder / 'config.json').exists():
        subprocess.run([sys.executable, here / 'make_model.py', name, folder], check=True)
    for kind, size, digest in kinds:
        got = subprocess.run([quantfs, 'cat', folder, f'{name}-{kind}.gguf'], capture_output=True, env=env)
        if digest.startswith('refused'):
            verdict(got.returncode == 1 and got.stderr.startswith(b'quantfs: '), f'{name} {kind} is not refused')
        else:
            verdict(got.returncode == 0 and len(got.stdout) == size and
                    hashlib.sha256(got.stdout).hexdigest() == digest, f'{name} {kind} {got.stderr.decode()}')
    if not os.access('/dev/fuse', os.W_OK):
        print('no /dev/fuse: not mounted')
        continue
    mount = work / 'mnt'
    mount.mkdir(exist_ok=True)
    subprocess.run([quantfs, 'mount', folder, mount], check=True, env=env)
    try:
        listed = sorted(os.listdir(mount))
        verdict(listed == sorted(f'{name}-{kind}.gguf' for kind, _, digest in kinds
                                 if not digest.startswith('refused')), f'{name}: listing {listed}')
        for kind, size, digest in kinds:
            if not digest.startswith('refused'):
                path = mount / f'{name}-{kind}.gguf'
                stat = path.stat()
                data = path.read_bytes()
                verdict(stat.st_size == size and stat.st_blocks * 512 >= size and
                        hashlib.sha256(data).hexdigest() == digest, f'{name} {kind} on the mount')
    finally:
        subprocess.run([quantfs, 'umount', mount], check=True, env=env)
print(f'{checked - wrong} of {checked} as the reference')
sys.exit(bool(wrong) or not checked)
