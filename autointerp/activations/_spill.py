"""Records sorted by a random rank, the lowest ones first, in memory that does not grow with their number.

Records go to files by the range that their rank falls in, and each file is sorted by itself when its turn comes. Where more
comes than can be needed, the upper ranges are thrown away and the rest is spread over all files anew.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

_HEAD = struct.Struct("<QII")
_BUFFERED = 1 << 23
_PER_FILE = 1 << 20
_FEWEST, _MOST = 16, 1024
#: Above every rank.
TOP_RANK = 1 << 64


class Spill:
    """Keeps about the `need` bytes of lowest rank from `least` on, and at most twice as much on disk.

    Records of equal rank come out in the order of their content.
    """

    def __init__(self, scratch: Path, need: int, least: int = 0) -> None:
        self._scratch, self._need, self._least = scratch, need, least
        self._files = min(_MOST, max(_FEWEST, need // _PER_FILE))
        self._generation = 0
        #: Records of this rank and above were thrown away.
        self.limit = TOP_RANK
        self._start()

    def _start(self) -> None:
        self._buffers = [bytearray() for _ in range(self._files)]
        self._sizes, self._buffered = [0] * self._files, 0

    def add(self, rank: int, name: bytes, content: bytes) -> None:
        """Take in a record; a rank is an integer of 64 bits."""
        if not self._least <= rank < self.limit:
            return
        part = (rank - self._least) * self._files // (self.limit - self._least)
        buffer, size = self._buffers[part], _HEAD.size + len(name) + len(content)
        buffer += _HEAD.pack(rank, len(name), len(content))
        buffer += name
        buffer += content
        self._sizes[part] += size
        self._buffered += size
        if self._buffered > _BUFFERED:
            self._write()
            if sum(self._sizes) > 2 * self._need:
                self._shrink()

    def _path(self, part: int) -> Path:
        return self._scratch / f"{self._generation}.{part}"

    def _write(self) -> None:
        self._scratch.mkdir(parents=True, exist_ok=True)
        for part, buffer in enumerate(self._buffers):
            if buffer:
                with self._path(part).open("ab") as stream:
                    stream.write(buffer)
                self._buffers[part] = bytearray()
        self._buffered = 0

    def _shrink(self) -> None:
        kept, total = 0, 0
        while total < self._need:
            total += self._sizes[kept]
            kept += 1
        if kept == self._files:
            return
        old = [self._path(part) for part in range(self._files)]
        # The least rank that belongs to the first file that goes.
        self.limit = self._least - (-kept * (self.limit - self._least) // self._files)
        self._generation += 1
        self._start()
        for path in old[:kept]:
            for rank, name, content in _records(path.read_bytes() if path.exists() else b""):
                self.add(rank, name, content)
        for path in old:
            path.unlink(missing_ok=True)

    def __iter__(self) -> Iterator[tuple[int, bytes, bytes]]:
        """Rank, name and content, lowest rank first."""
        for part, buffer in enumerate(self._buffers):
            path = self._path(part)
            yield from sorted(_records((path.read_bytes() if path.exists() else b"") + buffer))

    def clear(self) -> None:
        """Remove the files."""
        for part in range(self._files):
            self._path(part).unlink(missing_ok=True)


def _records(content: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    place, end = 0, len(content)
    while place < end:
        rank, name, size = _HEAD.unpack_from(content, place)
        place += _HEAD.size
        yield rank, content[place : place + name], content[place + name : place + name + size]
        place += name + size
