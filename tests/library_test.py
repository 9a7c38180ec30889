#!/usr/bin/env python3
"""library_test.py WORK HEADER PROGRAM LIBRARY...: runs PROGRAM on a small model, and looks that the libraries export the
functions of quantfs.h and nothing else."""
import re, shutil, subprocess, sys
from pathlib import Path

work, header, program, *libraries = sys.argv[1:]
here, work = Path(__file__).resolve().parent, Path(work)
shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)
subprocess.run([sys.executable, here / 'golden/make_model.py', 'tiny-llama', work / 'tiny-llama'], check=True)
subprocess.run([program, work / 'tiny-llama', work], check=True)

declared = set(re.findall(r'^QFS_API[^;]*?\b(qfs_\w+)\(', Path(header).read_text(), re.M | re.S))
for library in libraries:
    dynamic = ['-D'] if '.so' in library else ['-g']
    lines = subprocess.run(['nm', *dynamic, '--defined-only', library], stdout=subprocess.PIPE, text=True, check=True).stdout
    exported = {line.split()[2] for line in lines.splitlines() if len(line.split()) == 3}
    if exported != declared:
        sys.exit(f'{library}: exports {sorted(exported ^ declared)[:10]} otherwise than quantfs.h says')
print(f'{len(declared)} functions')
shutil.rmtree(work)
