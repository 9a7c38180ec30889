"""libquantfs through cffi: its declarations are the installed header's own."""
from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import cffi

HERE = Path(__file__).resolve().parent
SONAME = 'libquantfs.so.0'


def _include() -> Path:
    """Installed, the package has its header with it; in the source tree it is the tree's."""
    bundled = HERE / 'include'
    return bundled if bundled.exists() else HERE.parent.parent / 'include'


def _declarations(include: Path) -> str:
    text = (include / 'quantfs/error.h').read_text() + (include / 'quantfs.h').read_text()
    text = re.sub(r'/\*.*?\*/', '', text, flags=re.S)
    text = re.sub(r'extern "C" \{(.*)^\}', r'\1', re.sub(r'^#if.*__cplusplus\n|^#endif.*\n', '', text, flags=re.M), flags=re.S | re.M)
    return re.sub(r'^#.*\n', '', text, flags=re.M).replace('QFS_API', '')


def _candidates() -> list[str]:
    named = os.environ.get('QUANTFS_LIBRARY')
    if named:
        return [named]
    bundled = HERE / 'libquantfs.so'
    return [str(bundled)] if bundled.exists() else [SONAME]


def _load() -> tuple[cffi.FFI, Any]:
    include, ffi, reasons = _include(), cffi.FFI(), []
    ffi.cdef(_declarations(include))
    for name in _candidates():
        try:
            library = ffi.dlopen(name)
        except OSError as error:
            reasons.append(str(error))
            continue
        have, want = ffi.string(library.qfs_version()).decode(), include / 'VERSION'
        if want.exists() and want.read_text() != have:
            raise ImportError(f'quantfs: {name} is version {have}, this package was installed for {want.read_text()}: '
                              'install it again')
        return ffi, library
    raise ImportError(f'quantfs: libquantfs cannot be loaded ({"; ".join(reasons)}): install the quantfs package, or name '
                      'the library with QUANTFS_LIBRARY')


ffi, lib = _load()


def version() -> str:
    """libquantfs's version."""
    return ffi.string(lib.qfs_version()).decode()


def reference_version() -> str:
    """Whose bytes views have: 'llama.cpp v0.5.0'."""
    return ffi.string(lib.qfs_reference_version()).decode()


def check(result: int, error) -> int:
    """A function's result, or the OSError that its errno and sentence make (FileNotFoundError, PermissionError, …)."""
    if result < 0:
        raise OSError(-result, ffi.string(error.text).decode(errors='replace') or os.strerror(-result))
    return result
