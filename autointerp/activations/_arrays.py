"""Arrays on their way to disk: in pieces, each array to a file of its own, or all at once to one file."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

#: The names that the safetensors format has for types of numbers.
PACKED_TYPES = {
    "uint8": "U8",
    "uint16": "U16",
    "int32": "I32",
    "uint32": "U32",
    "float32": "F32",
    "int64": "I64",
    "uint64": "U64",
}


class Sink(Protocol):
    """Where the arrays of a shard or an index go, in pieces along the first axis."""

    def append(self, name: str, rows: NDArray[Any]) -> None:
        """Add rows to an array."""
        ...

    def append_counts(self, name: str, counts: NDArray[np.int64]) -> None:
        """Add runs of these lengths to an array of offsets, which begins with 0 and says where each run ends."""
        ...


class Memory:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self._parts: defaultdict[str, list[NDArray[Any]]] = defaultdict(list)

    def append(self, name: str, rows: NDArray[Any]) -> None:
        """Add rows to an array."""
        self._parts[name].append(rows)

    def append_counts(self, name: str, counts: NDArray[np.int64]) -> None:
        """Add offsets. Only what is already there says where they go on."""
        parts = self._parts[name]
        if not parts:
            parts.append(np.zeros(1, dtype=np.int64))
        parts.append(int(parts[-1][-1]) + np.cumsum(counts, dtype=np.int64) if len(counts) else counts[:0])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What was added, by name."""
        return {name: np.concatenate(parts) for name, parts in self._parts.items()}


class Folder:
    """A sink that writes one `.npy` file an array. To be closed, which writes the shapes."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._open: dict[str, _Growing] = {}
        self._ends: defaultdict[str, int] = defaultdict(int)

    def append(self, name: str, rows: NDArray[Any]) -> None:
        """Add rows to an array."""
        if name not in self._open:
            self._open[name] = _Growing(self._root / f"{name}.npy", rows)
        self._open[name].append(rows)

    def append_counts(self, name: str, counts: NDArray[np.int64]) -> None:
        """Add offsets."""
        if name not in self._open:
            self.append(name, np.zeros(1, dtype=np.int64))
        if len(counts):
            ends = self._ends[name] + np.cumsum(counts, dtype=np.int64)
            self._ends[name] = int(ends[-1])
            self.append(name, ends)

    def __enter__(self) -> Folder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with ExitStack() as stack:
            for growing in self._open.values():
                stack.callback(growing.close if kind is None else growing.abandon)


class _Growing:
    """A `.npy` file whose first dimension is written last: the format leaves room in the header for that."""

    def __init__(self, path: Path, like: NDArray[Any]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream: BinaryIO = path.open("wb")
        self._like, self._rows = like[:0], 0

    def _header(self) -> None:
        header = np.lib.format.header_data_from_array_1_0(self._like)
        header["shape"] = (self._rows, *self._like.shape[1:])
        np.lib.format.write_array_header_1_0(self._stream, header)

    def append(self, rows: NDArray[Any]) -> None:
        if not self._stream.tell():
            self._header()
        self._rows += len(rows)
        self._stream.write(np.ascontiguousarray(rows, dtype=self._like.dtype).data)

    def close(self) -> None:
        with self._stream:
            self._stream.seek(0)
            self._header()

    def abandon(self) -> None:
        # What still waits to be written goes nowhere, and the disk may have no room for it.
        with suppress(OSError):
            self._stream.close()


def write_packed(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays to one file in the safetensors format."""
    layout: dict[str, Any] = {}
    end = 0
    # Wide numbers first, so that all are aligned.
    ordered = dict(sorted(arrays.items(), key=lambda item: -item[1].itemsize))
    for name, array in ordered.items():
        offsets = [end, end := end + array.nbytes]
        layout[name] = {
            "dtype": PACKED_TYPES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": offsets,
        }
    header = json.dumps(layout).encode()
    header += b" " * (-len(header) % 8)
    with path.open("wb") as stream:
        stream.write(len(header).to_bytes(8, "little") + header)
        for array in ordered.values():
            stream.write(np.ascontiguousarray(array).data)
