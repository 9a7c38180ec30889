"""Puts the header, and the library where the system has none, into the package.

The library is, in this order: the file that QUANTFS_LIBRARY names, the system's (then nothing is copied), or one that
is built from the tree that this directory lies in.
"""
import ctypes
import os
import re
import shutil
import subprocess
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
TOP = HERE.parent


def tree_version():
    found = re.search(r"version: '([\d.]+)'", (TOP / 'meson.build').read_text())
    return found.group(1)


def system_include():
    """Where the header of the system's libquantfs is; None without that."""
    try:
        ctypes.CDLL('libquantfs.so.0')
    except OSError:
        return None
    places = [Path('/usr/local/include'), Path('/usr/include')]
    if shutil.which('pkg-config'):
        done = subprocess.run(['pkg-config', '--variable=includedir', 'quantfs'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        places[:0] = [Path(done.stdout.strip())] if done.stdout.strip() else []
    return next((place for place in places if (place / 'quantfs.h').exists()), None)


def version_of(library):
    loaded = ctypes.CDLL(str(library))
    loaded.qfs_version.restype = ctypes.c_char_p
    return loaded.qfs_version().decode()


def build_library(build):
    for program in ('meson', 'ninja'):
        if not shutil.which(program):
            raise SystemExit(f'quantfs: no libquantfs is installed, and to build it {program} is missing: install the '
                             'quantfs package, or what scripts/install-packages.sh installs')
    if not (build / 'build.ninja').exists():
        subprocess.run(['meson', 'setup', build, TOP, '--buildtype=release', '-Dtests=false'], check=True)
    name = f'fs/libquantfs.so.{tree_version()}'
    subprocess.run(['ninja', '-C', build, name], check=True)
    return build / name


class Build(build_py):
    def run(self):
        super().run()
        package = Path(self.build_lib) / 'quantfs'
        library = os.environ.get('QUANTFS_LIBRARY')
        include = None if library else system_include()
        if not include:
            include, library = TOP / 'include', library or build_library(TOP / 'build-python')
            shutil.copy(library, package / 'libquantfs.so')
        (package / 'include/quantfs').mkdir(parents=True, exist_ok=True)
        shutil.copy(include / 'quantfs.h', package / 'include/quantfs.h')
        shutil.copy(include / 'quantfs/error.h', package / 'include/quantfs/error.h')
        (package / 'include/VERSION').write_text(version_of(library or 'libquantfs.so.0'))


class Platform(Distribution):
    """The package may hold a library, so that it is one machine's."""

    def has_ext_modules(self):
        return True


setup(version=tree_version(), cmdclass={'build_py': Build}, distclass=Platform)
