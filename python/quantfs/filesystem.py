"""fsspec: quantfs:///models/Llama-3.1-8B-Instruct/Llama-3.1-8B-Instruct-Q4_K_M.gguf

What stands before the last slash is a source (a model directory, a GGUF file, org/name of the hub cache), what stands
behind it one of its views. Storage options are the options of `quantfs.open`.
"""
from __future__ import annotations

import io
import os
import threading
from typing import Any

from fsspec import AbstractFileSystem

from .source import Source, View


class QuantfsFileSystem(AbstractFileSystem):
    """Read-only. Directories that are no models show their directories, so that a tree of models can be walked."""

    protocol = 'quantfs'

    def __init__(self, **options: Any):
        own = {'use_listings_cache', 'listings_expiry_time', 'max_paths', 'skip_instance_cache', 'asynchronous', 'loop'}
        super().__init__(**{name: value for name, value in options.items() if name in own})
        self._options = {name: value for name, value in options.items() if name not in own}
        self._lock, self._process = threading.Lock(), os.getpid()
        self._sources: dict[str, Source] = {}

    def _source(self, path: str) -> Source:
        with self._lock:
            if self._process != os.getpid():  # a child of fork() opens its own
                self._sources, self._process = {}, os.getpid()
            if path not in self._sources:
                self._sources[path] = Source(path, **self._options)
            return self._sources[path]

    def _view(self, path: str) -> View:
        parent, name = self._split(path)
        source = self._source(parent)
        if name not in source.sizes and name not in source.refused:
            raise FileNotFoundError(f'{path}: {parent} has no such view')
        return source.view(name)

    @staticmethod
    def _split(path: str) -> tuple[str, str]:
        return path.rpartition('/')[0], path.rpartition('/')[2]

    @staticmethod
    def _is_view(path: str) -> bool:
        return path.endswith('.gguf') and not os.path.exists(path)

    @staticmethod
    def _entry(source: Source, parent: str, name: str) -> dict:
        return {'name': f'{parent}/{name}', 'size': source.sizes[name], 'type': 'file', 'quantization': source.types[name]}

    def ls(self, path: str, detail: bool = True, **_: Any) -> list:
        path = self._strip_protocol(path)
        if self._is_view(path):
            entries = [self.info(path)]
        else:
            try:
                source = self._source(path)
                entries = [self._entry(source, path, name) for name in source]
            except OSError:
                if not os.path.isdir(path):
                    raise
                entries = [{'name': entry.path, 'size': 0, 'type': 'directory'}
                           for entry in sorted(os.scandir(path), key=lambda entry: entry.name) if entry.is_dir()]
                if not entries:
                    raise
        return entries if detail else [entry['name'] for entry in entries]

    def info(self, path: str, **_: Any) -> dict:
        path = self._strip_protocol(path)
        if self._is_view(path):
            parent, name = self._split(path)
            source = self._source(parent)
            if name not in source.sizes:
                raise FileNotFoundError(source.refused.get(name) or f'{path}: {parent} has no such view')
            return self._entry(source, parent, name)
        if not os.path.isdir(path):
            self._source(path)
        return {'name': path, 'size': 0, 'type': 'directory'}

    def _open(self, path: str, mode: str = 'rb', block_size: int | None = None, **_: Any) -> io.BufferedReader:
        if mode not in ('rb', 'r'):
            raise OSError(30, 'quantfs is read-only', path)
        return self._view(path).open(block_size or 1 << 20)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        view = self._view(self._strip_protocol(path))
        first, last = slice(start, end).indices(view.size)[:2]
        return view.read(first, max(0, last - first))

    def get_file(self, rpath: str, lpath: Any, **_: Any) -> None:
        """Copies on all cores."""
        path = self._strip_protocol(rpath)
        if not self._is_view(path):
            os.makedirs(lpath, exist_ok=True)
        elif hasattr(lpath, 'write'):
            with self._open(path) as stream:
                for block in iter(lambda: stream.read(1 << 20), b''):
                    lpath.write(block)
        else:
            os.makedirs(os.path.dirname(os.path.abspath(lpath)), exist_ok=True)
            self._view(path).copy(lpath)
