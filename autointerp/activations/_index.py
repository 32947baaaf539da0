"""The index on disk: a folder of arrays with a manifest that says what each must be.

meta.json               what was indexed, size and hash of every other file, and its own hash: written last
totals/                 per feature: active, total, maximum, histogram
train/ refine/ test/    tokens [passages, length], lengths, documents, lines
                        indptr, positions, values: known activations of feature f are [indptr[f] : indptr[f + 1]],
                          a position is passage * length + place, and they are all there are in the first known[f] passages
                        top_passages, top_values [features, TOP]: the passages with the strongest activations
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from autointerp.activations._corpus import Passage
from autointerp.activations._documents import Split
from autointerp.activations._record import BINS, Recorded, Totals
from autointerp.activations._views import RefineView, SplitArrays, TestView, TrainView
from autointerp.errors import CacheError

#: Raised whenever the arrays change their meaning; an index of another version is built again.
VERSION = 1
META = "meta.json"


class IndexMeta(BaseModel):
    """What an index is of. `key` names everything it was made from, `corpus` is the hash of the text that was read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = VERSION
    key: str
    model: str
    dictionary: str
    corpus: str
    corpus_name: str
    tokens: int
    features: int
    length: int
    not_finite: int
    settings: dict[str, int]
    files: dict[str, tuple[int, str]] = {}
    seal: str = ""

    def sealed(self) -> IndexMeta:
        """The same, with the hash of all other fields."""
        bare = self.model_copy(update={"seal": ""})
        return self.model_copy(update={"seal": hashlib.sha256(bare.model_dump_json().encode()).hexdigest()[:16]})


class Index:
    """An index that was read and found whole. The three views are of three types, so that none is taken for another."""

    def __init__(self, folder: Path, meta: IndexMeta) -> None:
        self.folder, self.meta = folder, meta
        self.active: NDArray[np.int64] = _array(folder, "totals/active")
        self.total: NDArray[np.float64] = _array(folder, "totals/total")
        self.maximum: NDArray[np.float32] = _array(folder, "totals/maximum")
        self.histogram: NDArray[np.int64] = _array(folder, "totals/histogram").reshape(meta.features, BINS)
        self.train = TrainView(_split_arrays(folder, Split.TRAIN))
        self.refine = RefineView(_split_arrays(folder, Split.REFINE))
        self.test = TestView(_split_arrays(folder, Split.TEST))

    @classmethod
    def read(cls, folder: Path, key: str) -> Index:
        """Open an index and check every file against the manifest.

        Raises CacheError where it is absent, incomplete, altered, of another version, or of something else.
        """
        try:
            meta = IndexMeta.model_validate_json((folder / META).read_bytes())
        except (OSError, ValidationError) as error:
            raise CacheError(f"{folder} holds no whole index") from error
        if meta.version != VERSION or meta.key != key:
            raise CacheError(f"{folder} is an index of version {meta.version}, this program reads {VERSION}")
        if meta != meta.sealed():
            raise CacheError(f"{folder / META} is not what was written")
        for name, (size, digest) in meta.files.items():
            path = folder / name
            if not path.is_file() or path.stat().st_size != size or _digest(path) != digest:
                raise CacheError(f"{path} is not what was written")
        return cls(folder, meta)


class write_index:  # noqa: N801 - a namespace of two functions
    """Writing, in two steps: each split as it is finished, then totals and manifest."""

    @staticmethod
    def split(staging: Path, split: Split, found: Sequence[Passage], bos: int, length: int, recorded: Recorded) -> None:
        """Store one split."""
        tokens = np.full((len(found), length), bos, dtype=np.int32)
        for row, passage in zip(tokens, found, strict=True):
            row[1 : 1 + len(passage.ids)] = passage.ids
        names = sorted({p.document for p in found})
        number = {name: i for i, name in enumerate(names)}
        _store(
            staging / split,
            {
                "tokens": tokens,
                "lengths": np.array([1 + len(p.ids) for p in found], dtype=np.int32),
                "documents": np.array([number[p.document] for p in found], dtype=np.int32),
                "lines": np.array([p.line for p in found], dtype=np.int32),
                **{field: getattr(recorded, field) for field in Recorded.__slots__},
            },
        )
        (staging / split / "documents.json").write_text(json.dumps(names))

    @staticmethod
    def finish(staging: Path, folder: Path, totals: Totals, meta: IndexMeta) -> Index:
        """Store totals and manifest, and move the whole into place at once.

        Where another process was faster, its index is taken: both were made from the same things. A whole index is never
        removed, since someone may be reading it.
        """
        _store(
            staging / "totals",
            {name: getattr(totals, name).numpy() for name in ("active", "total", "maximum", "histogram")},
        )
        paths = sorted(p for p in staging.rglob("*") if p.is_file())
        listed = {p.relative_to(staging).as_posix(): (p.stat().st_size, _digest(p)) for p in paths}
        whole = meta.model_copy(update={"files": listed}).sealed()
        (staging / META).write_text(whole.model_dump_json(indent=1))
        try:
            os.rename(staging, folder)
        except OSError:
            with suppress(CacheError):
                return Index.read(folder, meta.key)
            with staged(folder) as aside:
                os.rename(folder, aside / "broken")
                os.rename(staging, folder)
        return Index.read(folder, meta.key)


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder` to prepare its content in; what is still there at the end is removed.

    It is locked for as long as it is in use: the lock goes with the process, whatever becomes of that, and tells `sweep`
    even across containers, where process numbers tell nothing.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", suffix=".part", dir=folder.parent))
    lock = os.open(staging, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        # Whoever swept between these two steps took the new folder for one that nobody holds.
        staging.mkdir(mode=0o700, exist_ok=True)
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        os.close(lock)


def sweep(folder: Path) -> None:
    """Remove what `staged` left beside `folder` in processes that were killed."""
    for part in folder.parent.glob(f"{folder.name}.*.part"):
        with suppress(OSError):
            lock = os.open(part, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(part, ignore_errors=True)
            finally:
                os.close(lock)


def _store(folder: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    folder.mkdir(parents=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def _array(folder: Path, name: str) -> NDArray[Any]:
    array: NDArray[Any] = np.load(folder / f"{name}.npy", mmap_mode="r")
    return array


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


def _split_arrays(folder: Path, split: Split) -> SplitArrays:
    names = json.loads((folder / split / "documents.json").read_text())
    fields = [name for name in SplitArrays.__slots__ if name != "names"]
    return SplitArrays(names=names, **{field: _array(folder, f"{split}/{field}") for field in fields})
