#!/usr/bin/env python3
"""Which room may include which: data goes one way, base ← model ← arch ← gguf ← quant, cache on base alone, fs on all,
cli on public headers only; libfuse only in the two files of fs/ that speak it. Prints each breach; exits 1 on any."""
import pathlib
import re
import sys

top = pathlib.Path(__file__).resolve().parent.parent
below = {
    'base': {'base', 'error'},
    'model': {'base', 'error', 'type', 'model'},
    'arch': {'base', 'error', 'type', 'model', 'arch', 'torch_math'},
    'gguf': {'base', 'error', 'type', 'model', 'arch', 'gguf'},
    'quant': {'base', 'error', 'type', 'model', 'arch', 'torch_math', 'gguf', 'quant', 'kernels'},
    'cache': {'base', 'error', 'cache'},
    'fs': {'base', 'error', 'type', 'model', 'arch', 'gguf', 'quant', 'kernels', 'cache', 'fs'},
    'cli': {'base', 'error', 'type', 'model', 'arch', 'gguf', 'quant', 'kernels', 'cache', 'fs'},
}
breaches, names, fuse = [], {}, set()
for room, allowed in below.items():
    for path in sorted((top / room).rglob('*.[ch]')):
        shown = path.relative_to(top)
        if path.name in names:
            breaches.append(f'{shown}: {names[path.name]} has the same file name')
        names[path.name] = shown
        for number, line in enumerate(path.read_text().splitlines(), 1):
            include = re.match(r'\s*#\s*include\s+["<]([^">]+)[">]', line)
            if not include:
                continue
            target = include[1]
            public = re.fullmatch(r'quantfs/(\w+)\.h', target)
            if public and public[1] not in allowed:
                breaches.append(f'{shown}:{number}: room {room} may not include {target}')
            if target == 'quantfs.h' and room not in ('fs', 'cli'):
                breaches.append(f'{shown}:{number}: room {room} may not include {target}')
            if '"' in line and not public and target != 'quantfs.h' and not (path.parent / target).exists() \
                    and not target.endswith('.inc'):
                breaches.append(f'{shown}:{number}: {target} is not in this room')
            if target.startswith(('fuse', 'fuse3/')):
                fuse.add(shown.with_suffix(''))  # a header counts with its file
if len(fuse) > 2 or any(p.parts[0] != 'fs' for p in fuse):
    breaches.append(f'libfuse is included by {", ".join(map(str, sorted(fuse)))}: only two files of fs/ may')
print('\n'.join(breaches) or f'{len(names)} files keep the rules')
sys.exit(bool(breaches))
