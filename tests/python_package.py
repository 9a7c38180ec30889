#!/usr/bin/env python3
"""python_package.py QUANTFS LIBRARY WORK: python/'s own tests, on the library of this build."""
import os, shutil, subprocess, sys
from pathlib import Path

program, library, work = (Path(word).resolve() for word in sys.argv[1:])
here = Path(__file__).resolve().parent
try:
    import cffi, fsspec, numpy  # noqa: F401
except ImportError as error:
    if sys.executable != '/usr/bin/python3' and os.path.exists('/usr/bin/python3'):  # where Debian's packages are
        os.execv('/usr/bin/python3', ['/usr/bin/python3', *sys.argv])
    print(f'skipped: {error}')
    sys.exit(77)
shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)
subprocess.run([sys.executable, here / 'golden/make_model.py', 'tiny-llama', work / 'tiny-llama'], check=True)
done = subprocess.run([sys.executable, '-m', 'unittest', 'discover', '-s', here.parent / 'python/tests'], cwd=work, env={
    **os.environ, 'QUANTFS': str(program), 'QUANTFS_LIBRARY': str(library), 'QUANTFS_TEST_MODEL': str(work / 'tiny-llama'),
    'XDG_CACHE_HOME': str(work / 'cache'), 'PYTHONPATH': str(here.parent / 'python'), 'PYTHONDONTWRITEBYTECODE': '1'})
shutil.rmtree(work)
sys.exit(done.returncode)
