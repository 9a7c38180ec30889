"""Sources and their views."""
from __future__ import annotations

import atexit
import io
import logging
import os
import threading
import weakref
from typing import TYPE_CHECKING, Any, Callable, Iterator, Mapping, Sequence, TypedDict

from ._library import check, ffi, lib
from .gguf import GGUF, Tensor

if TYPE_CHECKING:
    from typing_extensions import Unpack

log = logging.getLogger('quantfs')


class Options(TypedDict, total=False):
    """What views are made with and what they may cost: the fields of struct qfs_options in quantfs.h."""

    types: str | Sequence[str]
    views: str | os.PathLike
    imatrix: str | os.PathLike
    imatrix_name: str
    include_weights: Sequence[str]
    exclude_weights: Sequence[str]
    outtype: str
    pure: bool
    leave_output_tensor: bool
    allow_requantize: bool
    output_tensor_type: str
    token_embedding_type: str
    tensor_types: Sequence[str]
    overrides: Sequence[str]
    prune_layers: Sequence[int]
    model_name: str
    mtp: bool
    no_mtp: bool
    base: str | os.PathLike
    split_max_size: str
    split_max_tensors: str
    no_tensor_first_split: bool
    pre: str
    mistral_format: bool
    verify_source: bool
    threads: int
    memory: int
    no_cache: bool
    no_fill: bool
    cache_dir: str | os.PathLike
    cache_size: int
    cache_min_free: int


@ffi.callback('void(void *, const char *)')
def _warn(_, sentence):
    log.warning('%s', ffi.string(sentence).decode(errors='replace'))


def _c_options(options: Mapping[str, Any]):
    """struct qfs_options, and what must live as long as it. How a value is passed follows from its field's type."""
    struct, keep = ffi.new('struct qfs_options *'), []
    fields = dict(ffi.typeof('struct qfs_options').fields)
    struct.warn = _warn

    def text(value):
        keep.append(ffi.new('char[]', os.fsencode(value)))
        return keep[-1]

    for name, value in options.items():
        if name not in fields or name.startswith('warn') or name[1:] in fields:  # nothing, a callback, a list's count
            raise TypeError(f'quantfs has no option {name!r}')
        if value is None:
            continue
        kind = fields[name].type.cname
        if 'n' + name in fields:
            items = [text(item) for item in value] if 'char' in kind else [int(item) for item in value]
            keep.append(ffi.new('const char *[]' if 'char' in kind else 'int[]', items))
            setattr(struct, name, keep[-1])
            setattr(struct, 'n' + name, len(items))
        elif kind == 'char *':
            setattr(struct, name, text(value if isinstance(value, (str, bytes, os.PathLike)) else ','.join(value)))
        else:
            setattr(struct, name, value)
    return struct, keep


class _Handle:
    """A pointer of the library's: closed once, and not while a thread uses it, nor by a child of fork()."""

    open_handles: weakref.WeakSet = weakref.WeakSet()

    def __init__(self, pointer, close: Callable[[object], None]):
        self._pointer, self._close, self._users = pointer, close, 0
        self._pid, self._idle = os.getpid(), threading.Condition()
        self.open_handles.add(self)

    def __enter__(self):
        with self._idle:
            if self._pointer is None:
                raise ValueError('quantfs: it is closed')
            if self._pid != os.getpid():
                raise RuntimeError('quantfs: opened before fork(): open it again in the child')
            self._users += 1
            return self._pointer

    def __exit__(self, *_):
        with self._idle:
            self._users -= 1
            self._idle.notify_all()

    def close(self) -> None:
        if self._pid != os.getpid():
            return
        with self._idle:
            self._idle.wait_for(lambda: self._users == 0)
            pointer, self._pointer = self._pointer, None
        if pointer is not None:
            self._close(pointer)

    @property
    def closed(self) -> bool:
        return self._pointer is None

    __del__ = close


@atexit.register
def _close_all() -> None:
    """While Python can still be called: the library's threads may warn."""
    for handle in sorted(_Handle.open_handles, key=lambda handle: handle._close is lib.qfs_source_close):
        handle.close()


class View:
    """One GGUF file that a source stands for, opened. Any thread may read; reading in order is fastest."""

    def __init__(self, source: Source, name: str):
        error, pointer = ffi.new('struct qfs_error *'), ffi.new('struct qfs_view **')
        with source._handle as opened:
            check(lib.qfs_view_open(opened, name.encode(), pointer, error), error)
        self.source = source
        self._handle = _Handle(pointer[0], lib.qfs_view_close)
        self._gguf: GGUF | None = None
        with self._handle as view:
            info = lib.qfs_view_info(view)
            #: File name, "Llama-3.1-8B-Instruct-Q4_K_M.gguf"
            self.name: str = ffi.string(info.name).decode()
            #: "Q4_K_M"
            self.type: str = ffi.string(info.type).decode()
            #: Exact, in bytes
            self.size: int = info.size
            #: Bits a weight, header left out
            self.bits_per_weight: float = info.weight_bits

    def readinto(self, buffer, offset: int = 0) -> int:
        """Fills a writable buffer from `offset` on; returns how many bytes, fewer only at the end of the file."""
        error, memory, done = ffi.new('struct qfs_error *'), memoryview(buffer).cast('B'), 0
        if offset < 0:
            raise ValueError('quantfs: an offset is not negative')
        if not memory.nbytes:
            return 0
        with self._handle as view:
            target = ffi.from_buffer(memory, require_writable=True)
            done = check(lib.qfs_view_pread(view, target, memory.nbytes, offset, error), error)
        return done

    def read(self, offset: int = 0, size: int = -1) -> bytes:
        """`size` bytes at `offset`, to the end of the file when `size` is negative."""
        left = max(0, self.size - offset)
        data = bytearray(left if size < 0 else min(size, left))
        return bytes(memoryview(data)[:self.readinto(data, offset)])

    def open(self, buffer_size: int = 1 << 20) -> io.BufferedReader:
        """A binary file object that reads this view."""
        return io.BufferedReader(ViewIO(self), buffer_size)

    def _progress(self, progress):
        @ffi.callback('int(void *, uint64_t, uint64_t)', error=1)
        def step(_, done, size):
            return 1 if progress(done, size) is False else 0

        return step if progress else ffi.NULL

    def copy(self, dest: str | os.PathLike, *, fresh: bool = False, fill_cache: bool = False,
             progress: Callable[[int, int], object] | None = None) -> None:
        """Copies to a file, or into a directory, on all cores. An interrupted copy is resumed, unless `fresh`.
        `progress(done, size)` may return False to stop."""
        error, step = ffi.new('struct qfs_error *'), self._progress(progress)
        options = ffi.new('struct qfs_copy_options *', {'fresh': fresh, 'fill_cache': fill_cache, 'progress': step})
        with self._handle as view:
            check(lib.qfs_view_copy(view, os.fsencode(dest), options, error), error)

    def prefetch(self, offset: int = 0, size: int = -1, *, progress: Callable[[int, int], object] | None = None) -> None:
        """Computes bytes into the cache on disk, ahead of use."""
        error, step = ffi.new('struct qfs_error *'), self._progress(progress)
        options = ffi.new('struct qfs_copy_options *', {'progress': step})
        with self._handle as view:
            check(lib.qfs_view_prefetch(view, offset, self.size if size < 0 else size, options, error), error)

    @property
    def gguf(self) -> GGUF:
        """The file's header, read once."""
        if self._gguf is None:
            with self.open() as stream:
                self._gguf = GGUF(stream, self.readinto)
        return self._gguf

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The file's keys and their values."""
        return self.gguf.metadata

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        """The file's tensors by name, in the file's order."""
        return self.gguf.tensors

    def close(self) -> None:
        self._handle.close()

    @property
    def closed(self) -> bool:
        return self._handle.closed

    def __enter__(self) -> View:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def __repr__(self) -> str:
        return f'<quantfs.View {self.name}, {self.size} bytes>'


class ViewIO(io.RawIOBase):
    """A view as an unbuffered file; `View.open` puts a buffer before it."""

    def __init__(self, view: View):
        super().__init__()
        self.view, self.name, self._at = view, view.name, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.view.size}[whence]
        if at < 0:
            raise ValueError('quantfs: an offset is not negative')
        self._at = at
        return at

    def readinto(self, buffer) -> int:
        done = self.view.readinto(buffer, self._at)
        self._at += done
        return done


class Source(Mapping[str, View]):
    """An opened model directory: a mapping from names of views (or types, in any case) to opened views."""

    def __init__(self, path: str | os.PathLike, **options: Unpack[Options]):
        error, pointer = ffi.new('struct qfs_error *'), ffi.new('struct qfs_source **')
        struct, _keep = _c_options(options)
        check(lib.qfs_source_open(os.fsencode(os.path.expanduser(path)), struct, pointer, error), error)
        self.path = os.fspath(path)
        self._handle = _Handle(pointer[0], lib.qfs_source_close)
        self._views: weakref.WeakSet[View] = weakref.WeakSet()
        self._shared: dict[str, weakref.ref[View]] = {}
        infos = []
        with self._handle as source:
            for index in range(lib.qfs_source_count(source)):
                info = lib.qfs_source_view(source, index)
                infos.append((ffi.string(info.name).decode(), ffi.string(info.type).decode(), info.size,
                              ffi.string(info.refused).decode() if info.refused else None))
        #: Names of the views that can be read, and their exact sizes
        self.sizes: dict[str, int] = {name: size for name, _, size, refused in infos if refused is None}
        #: Types of all views, by name
        self.types: dict[str, str] = {name: kind for name, kind, _, _ in infos}
        #: Names of the views that llama-quantize would refuse to make, and why
        self.refused: dict[str, str] = {name: refused for name, _, _, refused in infos if refused is not None}

    def view(self, name: str) -> View:
        """Opens a view by file name or type, for a reader of its own; OSError says which there are."""
        view = View(self, name)
        self._views.add(view)
        return view

    def __getitem__(self, name: str) -> View:
        shared = self._shared.get(name)
        view = shared() if shared else None
        if view is None or view.closed:
            try:
                view = self.view(name)
            except FileNotFoundError as error:
                raise KeyError(error.strerror) from error
            self._shared[name] = weakref.ref(view)
        return view

    def __iter__(self) -> Iterator[str]:
        return iter(self.sizes)

    def __len__(self) -> int:
        return len(self.sizes)

    __eq__, __hash__ = object.__eq__, object.__hash__  # a source is itself, whatever its views are

    def __contains__(self, name: object) -> bool:
        return name in self.sizes

    def close(self) -> None:
        """Closes its views, then the source."""
        for view in list(self._views):
            view.close()
        self._handle.close()

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def __repr__(self) -> str:
        return f'<quantfs.Source {self.path}, {len(self)} views>'


def open(path: str | os.PathLike, **options: Unpack[Options]) -> Source:
    """Opens a model directory, a GGUF file, a snapshot in the Hugging Face hub cache, or "org/name" to be looked up
    there. Reads headers and small files, no weights. Options are those of quantfs.h; see `Options`."""
    return Source(path, **options)
