"""GGUF headers: keys, and where tensors lie. For views of a library's source, and for any file, one on a mount too."""
from __future__ import annotations

import builtins
import mmap
import os
import struct
from typing import Any, BinaryIO, Callable, NamedTuple

import numpy

MAGIC = b'GGUF'
STRING, ARRAY = 8, 9
SCALARS = {0: 'B', 1: 'b', 2: 'H', 3: 'h', 4: 'I', 5: 'i', 6: 'f', 7: '?', 10: 'Q', 11: 'q', 12: 'd'}
MOST = 1 << 30  # of anything that a header counts: more is no GGUF file


class TensorType(NamedTuple):
    """A ggml type: elements and bytes of a block, and numpy's type where it has one."""

    name: str
    block_count: int
    block_bytes: int
    dtype: str | None = None


TYPES = {
    0: TensorType('F32', 1, 4, '<f4'), 1: TensorType('F16', 1, 2, '<f2'), 30: TensorType('BF16', 1, 2),
    28: TensorType('F64', 1, 8, '<f8'), 24: TensorType('I8', 1, 1, 'i1'), 25: TensorType('I16', 1, 2, '<i2'),
    26: TensorType('I32', 1, 4, '<i4'), 27: TensorType('I64', 1, 8, '<i8'),
    2: TensorType('Q4_0', 32, 18), 3: TensorType('Q4_1', 32, 20), 6: TensorType('Q5_0', 32, 22),
    7: TensorType('Q5_1', 32, 24), 8: TensorType('Q8_0', 32, 34), 9: TensorType('Q8_1', 32, 36),
    10: TensorType('Q2_K', 256, 84), 11: TensorType('Q3_K', 256, 110), 12: TensorType('Q4_K', 256, 144),
    13: TensorType('Q5_K', 256, 176), 14: TensorType('Q6_K', 256, 210), 15: TensorType('Q8_K', 256, 292),
    16: TensorType('IQ2_XXS', 256, 66), 17: TensorType('IQ2_XS', 256, 74), 18: TensorType('IQ3_XXS', 256, 98),
    19: TensorType('IQ1_S', 256, 50), 20: TensorType('IQ4_NL', 32, 18), 21: TensorType('IQ3_S', 256, 110),
    22: TensorType('IQ2_S', 256, 82), 23: TensorType('IQ4_XS', 256, 136), 29: TensorType('IQ1_M', 256, 56),
    34: TensorType('TQ1_0', 256, 54), 35: TensorType('TQ2_0', 256, 66), 39: TensorType('MXFP4', 32, 17),
    40: TensorType('NVFP4', 64, 36), 41: TensorType('Q1_0', 128, 18), 42: TensorType('Q2_0', 64, 18),
}


class Tensor:
    """A tensor of a GGUF file. `shape` is numpy's: outermost first, the reverse of how the file has it."""

    def __init__(self, name: str, shape: tuple[int, ...], kind: TensorType, readinto: Callable, memory: memoryview | None):
        self.name, self.shape, self._kind = name, shape, kind
        self._readinto, self._memory = readinto, memory
        self.type: str = kind.name
        self.size = 1
        for length in shape:
            self.size *= length
        #: Where it lies in the file, and how long it is, in bytes
        self.offset, self.nbytes = 0, self.size // kind.block_count * kind.block_bytes

    @property
    def quantized(self) -> bool:
        return self._kind.block_count > 1

    def bytes(self) -> bytes:
        """The tensor as it stands in the file."""
        return self._raw().tobytes()

    def _raw(self) -> numpy.ndarray:
        if self._memory is not None:
            return numpy.frombuffer(self._memory, numpy.uint8, self.nbytes, self.offset)
        data = numpy.empty(self.nbytes, numpy.uint8)
        if self._readinto(data, self.offset) != self.nbytes:
            raise EOFError(f'{self.name}: the file ends before the tensor does')
        return data

    def numpy(self) -> numpy.ndarray:
        """F32, F16, F64 and integers as arrays of that type; BF16, which numpy does not have, widened to float32 (exact);
        a quantized tensor as its blocks, uint8 of shape (…, blocks of a row, bytes of a block). Over a mapped file it
        is a view of that mapping, but for BF16."""
        data = self._raw()
        if self._kind.dtype:
            return data.view(self._kind.dtype).reshape(self.shape)
        if self.type == 'BF16':
            return (data.view('<u2').astype('<u4') << 16).view('<f4').reshape(self.shape)
        blocks = self.shape[-1] // self._kind.block_count
        return data.reshape(*self.shape[:-1], blocks, self._kind.block_bytes)

    def __repr__(self) -> str:
        return f'<quantfs.Tensor {self.name} {self.type} {list(self.shape)}>'


class GGUF:
    """The header of a GGUF file, read from `stream` (which is then needed no more); tensors are read with
    `readinto(buffer, offset)`, or are views of `memory`, the whole file."""

    def __init__(self, stream: BinaryIO, readinto: Callable | None = None, memory: memoryview | None = None):
        self._stream = stream
        if self._bytes(4) != MAGIC:
            raise ValueError('no GGUF file: it does not begin with "GGUF"')
        #: Of the format
        self.version: int = self._number('I')
        if self.version not in (2, 3):
            raise ValueError(f'GGUF of version {self.version} is not known')
        ntensors, nkeys = self._count(), self._count()
        #: Keys and their values; arrays of numbers are numpy arrays
        self.metadata: dict[str, Any] = {}
        for _ in range(nkeys):
            key = self._string()
            self.metadata[key] = self._value(self._number('I'))
        #: Tensors by name, in the file's order
        self.tensors: dict[str, Tensor] = {}
        for _ in range(ntensors):
            tensor = self._tensor(readinto, memory)
            self.tensors[tensor.name] = tensor
        #: Where the first tensor lies
        self.data_offset = self._aligned(stream.tell())
        for tensor in self.tensors.values():
            tensor.offset += self.data_offset
        del self._stream

    def _aligned(self, offset: int) -> int:
        alignment = max(1, int(self.metadata.get('general.alignment', 32)))
        return -(-offset // alignment) * alignment

    def _bytes(self, size: int) -> bytes:
        data = self._stream.read(size)
        if len(data) != size:
            raise EOFError('the GGUF header ends early')
        return data

    def _number(self, code: str):
        return struct.unpack('<' + code, self._bytes(struct.calcsize('<' + code)))[0]

    def _count(self) -> int:
        count = self._number('Q')
        if count > MOST:
            raise ValueError(f'no GGUF file: it counts {count} things')
        return count

    def _string(self) -> str:
        return self._bytes(self._count()).decode('utf-8', 'surrogateescape')

    def _value(self, kind: int):
        if kind == STRING:
            return self._string()
        if kind in SCALARS:
            return self._number(SCALARS[kind])
        if kind != ARRAY:
            raise ValueError(f'no GGUF file: values of type {kind} are not known')
        item, count = self._number('I'), self._count()
        if item not in SCALARS:
            return [self._value(item) for _ in range(count)]
        dtype = numpy.dtype(SCALARS[item]).newbyteorder('<')
        return numpy.frombuffer(self._bytes(count * dtype.itemsize), dtype)

    def _tensor(self, readinto, memory) -> Tensor:
        name, ndim = self._string(), self._number('I')
        if ndim > 8:
            raise ValueError(f'no GGUF file: {name} has {ndim} dimensions')
        shape = tuple(self._count() for _ in range(ndim))[::-1]
        number = self._number('I')
        if number not in TYPES:
            raise ValueError(f'{name}: ggml type {number} is not known')
        tensor = Tensor(name, shape, TYPES[number], readinto, memory)
        tensor.offset = self._number('Q')
        return tensor


def open(path: str | os.PathLike) -> GGUF:
    """Maps a GGUF file, one on a mount of quantfs say. Arrays are views of the mapping, which lives as long as they do."""
    with builtins.open(path, 'rb') as file:
        memory = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        return GGUF(file, memory=memory)
