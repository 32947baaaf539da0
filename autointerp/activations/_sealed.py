"""Folders of arrays with a manifest, written last, that says what each file must be."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from autointerp.activations._arrays import PACKED_TYPES
from autointerp.activations._stored import StoredArray, StoredFile, blocks_of, checksums
from autointerp.errors import CacheError

#: Raised whenever the arrays change their meaning; what another version wrote is made again.
VERSION = 2
META, CHECKS = "meta.json", "checks.npy"


class Layout(BaseModel):
    """An array in a file: the type of its numbers, its shape, and the byte at which it begins."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dtype: str
    shape: tuple[int, ...]
    offset: int


class Entry(BaseModel):
    """A file of the folder: its size in bytes, and the arrays in it by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int
    arrays: dict[str, Layout]


class Manifest(BaseModel):
    """What a folder holds. `key` names what it was made from, `checks` is the hash of the file of checksums."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = VERSION
    key: str
    files: dict[str, Entry] = {}
    checks: str = ""
    seal: str = ""

    def sealed(self: M) -> M:
        """The same, with the hash of all other fields."""
        bare = self.model_copy(update={"seal": ""})
        return self.model_copy(update={"seal": _hash(bare.model_dump_json().encode())})


M = TypeVar("M", bound=Manifest)


class Stored:
    """The arrays of a sealed folder, by name."""

    def __init__(self, folder: Path, files: dict[str, Entry], checks: NDArray[np.uint32] | None) -> None:
        self.folder = folder
        self._files, self._arrays = list[StoredFile](), dict[str, StoredArray]()
        end = 0
        for name, entry in files.items():
            start, end = end, end + blocks_of(entry.size)
            file = StoredFile(folder / name, entry.size, None if checks is None else checks[start:end])
            self._files.append(file)
            for array, layout in entry.arrays.items():
                self._arrays[array] = StoredArray(file, layout.dtype, layout.shape, layout.offset)

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def __getitem__(self, name: str) -> StoredArray:
        return self._arrays[name]

    @classmethod
    def unsealed(cls, folder: Path) -> Stored:
        """The arrays that were just written below `folder`, which nothing vouches for yet."""
        return cls(folder, _entries(folder), None)

    def without(self, folders: Collection[str]) -> Stored:
        """The same without the arrays of some folders: whoever is handed this cannot come by them."""
        some = copy.copy(self)
        some._arrays = {name: array for name, array in self._arrays.items() if name.partition("/")[0] not in folders}
        some._files = list({id(array.file): array.file for array in some._arrays.values()}.values())
        return some

    @property
    def size(self) -> int:
        """Bytes in all files."""
        return sum(file.size for file in self._files)

    def verify(self) -> None:
        """Check every byte. Raises CacheError that names the first file that is not what was written."""
        for file in self._files:
            file.verify()


def seal(folder: Path, meta: M) -> M:
    """Write the checksums of all arrays below `folder`, then the manifest."""
    files = _entries(folder)
    checks = np.concatenate([np.zeros(0, dtype=np.uint32), *(checksums(folder / name) for name in files)])
    with (folder / CHECKS).open("wb") as stream:
        np.save(stream, checks)
    whole = meta.model_copy(update={"files": files, "checks": _hash(checks.tobytes())}).sealed()
    (folder / META).write_text(whole.model_dump_json(indent=1))
    return whole


def unseal(folder: Path, kind: type[M], key: str | None = None) -> tuple[M, Stored]:
    """Open a sealed folder: the manifest, the checksums and the size of every file are checked, and no content.

    Raises CacheError where it is absent, incomplete, of another version, or of another key than the one given.
    """
    try:
        meta = kind.model_validate_json((folder / META).read_bytes())
        checks = np.load(folder / CHECKS)
    except (OSError, ValueError, ValidationError) as error:
        raise CacheError(f"{folder} holds no whole index") from error
    if meta.version != VERSION or (key is not None and meta.key != key):
        raise CacheError(f"{folder} is of version {meta.version} and key {meta.key}: expected {VERSION} and {key}")
    if meta != meta.sealed() or _hash(checks.tobytes()) != meta.checks:
        raise CacheError(f"{folder / META} is not what was written")
    for name, entry in meta.files.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != entry.size:
            raise CacheError(f"{path} is not what was written")
    return meta, Stored(folder, meta.files, checks)


def _entries(folder: Path) -> dict[str, Entry]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix in _READ and path.name != CHECKS)
    return {(name := path.relative_to(folder).as_posix()): _READ[path.suffix](path, name) for path in paths}


def _npy(path: Path, name: str) -> Entry:
    with path.open("rb") as stream:
        np.lib.format.read_magic(stream)
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
        layout = Layout(dtype=dtype.str, shape=shape, offset=stream.tell())
    return Entry(size=path.stat().st_size, arrays={name.removesuffix(".npy"): layout})


def _packed(path: Path, name: str) -> Entry:
    del name
    types = {packed: np.dtype(plain).str for plain, packed in PACKED_TYPES.items()}
    with path.open("rb") as stream:
        header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
        begin = stream.tell()
    arrays = {
        array: Layout(dtype=types[found["dtype"]], shape=found["shape"], offset=begin + found["data_offsets"][0])
        for array, found in header.items()
    }
    return Entry(size=path.stat().st_size, arrays=arrays)


_READ = {".npy": _npy, ".safetensors": _packed}


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
