#!/usr/bin/env python3
"""Plans against what llama-quantize made of the same sources, header by digest.

    plans.py PLAN_HEADER WORK_DIR

tests/data/plans holds headers of the converter's files, without vocabularies, and expected.txt: source, type, size of
the file, SHA-256 of its header or `refused`, options. plan_compare.py --record made it."""
import hashlib
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from plan_files import parse, write_imatrix  # noqa: E402

program, work = sys.argv[1], Path(sys.argv[2])
data = Path(__file__).resolve().parent / 'data/plans'
work.mkdir(parents=True, exist_ok=True)
out, wrong, count = work / 'header', 0, 0
for line in (data / 'expected.txt').read_text().splitlines():
    name, kind, size, digest, *options = line.split(' ')
    source, imatrix = data / f'{name}.gguf', work / name / 'imatrix.gguf'
    if 'imatrix' in options and not imatrix.exists():
        imatrix.parent.mkdir(exist_ok=True)
        write_imatrix(imatrix, parse(source.read_bytes())[1])
    r = subprocess.run([program, source, out, kind, *[f'imatrix={imatrix}' if o == 'imatrix' else o for o in options if o]],
                       capture_output=True, text=True)
    if r.returncode == 3:
        got = ('0', 'refused')
    elif r.returncode == 0:
        got = (r.stdout.split()[0], hashlib.sha256(out.read_bytes()).hexdigest())
    else:
        got = ('failed', r.stderr.strip())
    count += 1
    if got != (size, digest):
        wrong += 1
        print(f'{line}\n    got {got[0]} {got[1]} {r.stderr.strip()}')
print(f'{count} plans, {wrong} wrong')
sys.exit(wrong > 0 or count == 0)
