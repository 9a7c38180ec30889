#!/usr/bin/env python3
"""Every test that docs/SEMANTICS.md and docs/TESTING.md name is there: semantics.py [TOP]"""
import re
import sys
from pathlib import Path

top = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent)
text = ''.join((top / 'docs' / name).read_text() for name in ('SEMANTICS.md', 'TESTING.md'))
named = re.findall(r'`([\w/]+\.(?:py|c|sh)): (\w+)`', text)
missing = []
for file, test in named:
    found = [p for p in (top / 'tests').rglob(Path(file).name) if str(p).endswith(file)]
    if not any(re.search(rf'^(?:def|class|static \w+) {test}[(:]|^(?:def|static) .*\b{test}\(', p.read_text(), re.M) for p in found):
        missing.append(f'{file}: {test}')
for name in missing:
    print(f'docs/ names {name}, which is not there')
print(f'{len(named)} tests named')
sys.exit(bool(missing) or len(named) < 20)
