"""Arrays in files, read a slice at a time; every block of a file is checked before its first use."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autointerp.errors import CacheError

#: Bytes that one checksum stands for.
BLOCK = 1 << 13


def checksums(path: Path) -> NDArray[np.uint32]:
    """CRC-32 of each block of a file."""
    found = []
    with path.open("rb") as stream:
        while piece := stream.read(64 * BLOCK):
            view = memoryview(piece)
            found += [zlib.crc32(view[i : i + BLOCK]) for i in range(0, len(piece), BLOCK)]
    return np.array(found, dtype=np.uint32)


def blocks_of(size: int) -> int:
    """How many checksums a file of so many bytes has."""
    return -(-size // BLOCK)


class StoredFile:
    """A file with checksums; without, one that was just written and is taken for good."""

    def __init__(self, path: Path, size: int, checks: NDArray[np.uint32] | None) -> None:
        blocks = blocks_of(size)
        self.path, self.size = path, size
        self._checks = np.zeros(blocks, dtype=np.uint32) if checks is None else checks
        self._good = bytearray(bytes([checks is None]) * blocks)

    @contextmanager
    def opened(self) -> Iterator[FileIO]:
        """The file, for `read`."""
        try:
            with self.path.open("rb", buffering=0) as stream:
                yield stream
        except OSError as error:
            raise CacheError(f"{self.path} cannot be read: {error.strerror}; build the index again") from error

    def read(self, stream: FileIO, low: int, high: int) -> bytes:
        """The bytes from `low` to `high`. Raises CacheError where a block of them is not what was written."""
        first, last = low // BLOCK, blocks_of(high)
        if 0 not in self._good[first:last]:
            return self._bytes(stream, low, high)
        begin = first * BLOCK
        content = self._bytes(stream, begin, min(last * BLOCK, self.size))
        self._check(content, first)
        return content[low - begin : high - begin]

    def verify(self) -> None:
        """Check every block that was not checked yet."""
        with self.opened() as stream:
            for first in range(0, len(self._good), 64):
                if 0 in self._good[first : first + 64]:
                    end = min((first + 64) * BLOCK, self.size)
                    self._check(self._bytes(stream, first * BLOCK, end), first)

    def _bytes(self, stream: FileIO, low: int, high: int) -> bytes:
        content = os.pread(stream.fileno(), high - low, low)
        if len(content) != high - low:
            raise CacheError(f"{self.path} is shorter than what was written: build the index again")
        return content

    def _check(self, content: bytes, first: int) -> None:
        view = memoryview(content)
        for number, begin in enumerate(range(0, len(content), BLOCK), first):
            if not self._good[number]:
                if zlib.crc32(view[begin : begin + BLOCK]) != self._checks[number]:
                    raise CacheError(f"{self.path} is not what was written: build the index again")
                self._good[number] = 1


class StoredArray:
    """One array in a file. What is read is a copy, so that reading a file does not fill memory with it."""

    def __init__(self, file: StoredFile, dtype: str, shape: tuple[int, ...], offset: int) -> None:
        self.file, self._offset = file, offset
        self.dtype, self.shape = np.dtype(dtype), shape
        self._row = int(np.prod(shape[1:], dtype=np.int64)) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Rows from `start` to `stop`. Raises CacheError where a block that they lie in is not what was written."""
        stop = len(self) if stop is None else stop
        (content,) = self.pieces([(start, stop)])
        return np.frombuffer(content, self.dtype).reshape(stop - start, *self.shape[1:])

    def take(self, rows: Sequence[int], width: int = 1) -> NDArray[Any]:
        """`width` rows from each of `rows` on, [len(rows), width, ...]; the file is opened once."""
        content = b"".join(self.pieces([(row, row + width) for row in rows]))
        return np.frombuffer(content, self.dtype).reshape(len(rows), width, *self.shape[1:])

    def pieces(self, bounds: Iterable[tuple[int, int]]) -> list[bytes]:
        """The bytes of the rows between each of these bounds; the file is opened once."""
        offset, row = self._offset, self._row
        with self.file.opened() as stream:
            return [self.file.read(stream, offset + start * row, offset + stop * row) for start, stop in bounds]

    def mapped(self) -> NDArray[Any]:
        """The whole array, memory-mapped; all of its file is checked the first time."""
        self.file.verify()
        if not len(self) or not self._row:
            return np.zeros(self.shape, self.dtype)
        return np.memmap(self.file.path, self.dtype, "r", self._offset, self.shape)
