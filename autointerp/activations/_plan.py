"""What a build will read: the passages, on disk, in the order of their rank, and how they are dealt out to shards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autointerp.activations._arrays import Folder
from autointerp.activations._documents import Split, split_of
from autointerp.activations._passages import Passage
from autointerp.activations._sealed import Manifest, Stored, seal, unseal
from autointerp.errors import CorpusError

SPLITS = tuple(Split)
_AT_ONCE = 1024


class PlanMeta(Manifest):
    """`shards` are the numbers of the first passage and of tokens of each shard."""

    tokens: int
    shards: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, eq=False)
class ShardText:
    """The passages of one shard, in the order of their rank.

    Attributes
    ----------
    ids, ends: token ids without BOS, one passage after the other, and where each ends.
    splits: the number of each passage's split in the order of `Split`.
    ranks, lines, documents: of each passage.
    """

    ids: NDArray[np.int32]
    ends: NDArray[np.int64]
    splits: NDArray[np.uint8]
    ranks: NDArray[np.uint64]
    lines: NDArray[np.int32]
    documents: list[bytes]

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where each passage begins in `ids`."""
        return np.concatenate([[0], self.ends[:-1]]).astype(np.int64)

    @property
    def tokens(self) -> int:
        """Tokens in all."""
        return len(self.ids)


class Plan:
    """The passages of all shards."""

    def __init__(self, meta: PlanMeta, stored: Stored) -> None:
        self._meta, self._stored = meta, stored
        self.tokens = meta.tokens
        self._passages = len(stored["ranks"])

    @classmethod
    def read(cls, folder: Path, key: str) -> Plan:
        """Open a plan and check all of it. Raises CacheError where it is not whole, or of something else."""
        meta, stored = unseal(folder, PlanMeta, key)
        stored.verify()
        return cls(meta, stored)

    @classmethod
    def write(cls, folder: Path, key: str, found: Iterable[Passage], *, shard: int, corpus: str) -> Plan:
        """Store passages. Raises CorpusError where a split has none."""
        seen, tokens, first, number = np.zeros(len(SPLITS), dtype=np.int64), 0, 0, 0
        shards: list[tuple[int, int]] = []
        size = 0
        with Folder(folder) as sink:
            for some in _batched(found, _AT_ONCE):
                splits = _append(sink, some)
                seen += np.bincount(splits, minlength=len(SPLITS))
                for passage in some:
                    size += len(passage.ids)
                    number += 1
                    if size >= shard:
                        shards.append((first, size))
                        first, tokens, size = number, tokens + size, 0
        if size:
            shards.append((first, size))
        if empty := [str(split) for split, count in zip(SPLITS, seen, strict=True) if not count]:
            raise CorpusError(f"{corpus} leaves the {' and '.join(empty)} split without text: give more documents")
        seal(folder, PlanMeta(key=key, tokens=tokens + size, shards=tuple(shards)))
        return cls.read(folder, key)

    @property
    def shards(self) -> int:
        """How many there are."""
        return len(self._meta.shards)

    def size(self, number: int) -> int:
        """Tokens in a shard."""
        return self._meta.shards[number][1]

    def shard(self, number: int) -> ShardText:
        """The passages of a shard."""
        shards = self._meta.shards
        first = shards[number][0]
        last = shards[number + 1][0] if number + 1 < len(shards) else self._passages

        def rows(name: str) -> NDArray[Any]:
            return self._stored[name].read(first, last)

        indptr = self._stored["indptr"].read(first, last + 1)
        names = self._stored["name_indptr"].read(first, last + 1)
        blob = self._stored["names"].read(int(names[0]), int(names[-1])).tobytes()
        bounds = (names - names[0]).tolist()
        return ShardText(
            ids=self._stored["ids"].read(int(indptr[0]), int(indptr[-1])),
            ends=indptr[1:] - indptr[0],
            splits=rows("splits"),
            ranks=rows("ranks"),
            lines=rows("lines"),
            documents=[blob[a:b] for a, b in pairwise(bounds)],
        )


def _append(sink: Folder, some: list[Passage]) -> NDArray[np.uint8]:
    names = [p.document.encode("utf-8", "surrogatepass") for p in some]
    splits = np.array([SPLITS.index(split_of(p.document)) for p in some], dtype=np.uint8)
    sink.append("ids", np.concatenate([np.array(p.ids, dtype=np.int32) for p in some]))
    sink.append_counts("indptr", np.array([len(p.ids) for p in some]))
    sink.append("names", np.frombuffer(b"".join(names), dtype=np.uint8))
    sink.append_counts("name_indptr", np.array([len(name) for name in names]))
    sink.append("splits", splits)
    sink.append("ranks", np.array([p.rank for p in some], dtype=np.uint64))
    sink.append("lines", np.array([p.line for p in some], dtype=np.int32))
    return splits


def _batched(found: Iterable[Passage], size: int) -> Iterator[list[Passage]]:
    iterator = iter(found)
    while some := list(islice(iterator, size)):
        yield some
