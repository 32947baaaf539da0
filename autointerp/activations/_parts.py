"""The finished shards of a build, each a sealed folder, and what they spare the shards that come after them.

Runs of sixteen are put together as soon as they are there, so that neither their number nor their size grows with the
corpus.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autointerp.activations._arrays import write_packed
from autointerp.activations._merge import merge_arrays
from autointerp.activations._plan import SPLITS
from autointerp.activations._recorder import Floor, Recorded
from autointerp.activations._sealed import Manifest, Stored, seal, unseal
from autointerp.activations._sketch import TOP
from autointerp.activations._staging import written_whole
from autointerp.errors import CacheError

_GROUP = 16


class PartMeta(Manifest):
    """`first` and `last` shard of the part."""

    first: int
    last: int
    tokens: int
    not_finite: int


class Parts:
    """What is finished of a build, in a folder."""

    def __init__(self, folder: Path, key: str, caps: tuple[int, ...]) -> None:
        self._folder, self._key, self._caps = folder, key, caps
        self._found: dict[range, tuple[PartMeta, Stored]] = {}
        for path in sorted(folder.glob("*-*")):
            try:
                meta, stored = unseal(path, PartMeta, key)
                stored.verify()
            except CacheError:
                shutil.rmtree(path, ignore_errors=True)
            else:
                self._found[range(meta.first, meta.last + 1)] = meta, stored
        # A build that ended between putting a run together and removing its shards left both.
        for shards in sorted(self._found, key=len):
            if any(set(shards) < set(other) for other in self._found):
                self._remove(shards)
        self.tidy()

    @property
    def done(self) -> set[int]:
        """The numbers of the shards that are finished."""
        return {number for shards in self._found for number in shards}

    @property
    def tokens(self) -> int:
        """Tokens in them."""
        return sum(meta.tokens for meta, _ in self._found.values())

    @property
    def not_finite(self) -> int:
        """Activations left out in them."""
        return sum(meta.not_finite for meta, _ in self._found.values())

    @property
    def stored(self) -> list[Stored]:
        """Their arrays, in the order of the shards."""
        return [self._found[shards][1] for shards in sorted(self._found, key=lambda s: s.start)]

    def add(self, number: int, recorded: Recorded) -> None:
        """Write a finished shard. To be followed by `tidy`, when the shard itself is no longer held."""
        self._write(
            range(number, number + 1),
            lambda half: write_packed(half / "arrays.safetensors", recorded.arrays),
            recorded.tokens,
            recorded.not_finite,
        )

    def before(self, number: int) -> list[tuple[range, Stored]]:
        """The parts all of whose shards come before that of this number."""
        return [(shards, stored) for shards, (_, stored) in self._found.items() if shards.stop <= number]

    def _write(self, shards: range, fill: Callable[[Path], None], tokens: int, not_finite: int) -> None:
        place = self._folder / f"{shards.start:06}-{shards.stop - 1:06}"
        meta = PartMeta(key=self._key, first=shards.start, last=shards.stop - 1, tokens=tokens, not_finite=not_finite)
        with written_whole(place) as half:
            fill(half)
            seal(half, meta)
        self._found[shards] = unseal(place, PartMeta, self._key)

    def _remove(self, shards: range) -> None:
        _, stored = self._found.pop(shards)
        shutil.rmtree(stored.folder, ignore_errors=True)

    def tidy(self) -> None:
        """Put together every run of `_GROUP` that is complete: of shards, of runs of shards, and so on."""
        size = 1
        while any(len(shards) == size for shards in self._found):
            whole = size * _GROUP
            for start in {shards.start // whole * whole for shards in self._found if len(shards) == size}:
                members = [range(i, i + size) for i in range(start, start + whole, size)]
                if all(member in self._found for member in members):
                    self._join(members)
            size = whole

    def _join(self, members: Sequence[range]) -> None:
        metas, stored = zip(*(self._found[member] for member in members), strict=True)
        self._write(
            range(members[0].start, members[-1].stop),
            lambda half: merge_arrays(stored, half, caps=self._caps),
            sum(meta.tokens for meta in metas),
            sum(meta.not_finite for meta in metas),
        )
        for member in members:
            self._remove(member)


class Progressed:
    """What shards of lower rank have recorded, as far as it spares those of higher rank some work."""

    def __init__(self, features: int, caps: tuple[int, ...]) -> None:
        self._room = Floor.nothing(features, caps).room
        self._best = np.zeros((len(caps), features, TOP), dtype=np.float32)
        self._taken = set[int]()

    def floor(self, parts: Parts, number: int) -> Floor:
        """What the shard of this number need not keep."""
        for shards, stored in parts.before(number):
            if self._taken.isdisjoint(shards):
                self.take(shards, {name: stored[name].read() for name in self.names})
        return self.now()

    def now(self) -> Floor:
        """What a shard of higher rank than all that were taken need not keep."""
        return Floor(self._room.copy(), self._best[:, :, -1].copy())

    names = tuple(f"{split}/{name}" for split in SPLITS for name in ("indptr", "top_indptr", "top_values"))

    def take(self, shards: range, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Count what a part has kept."""
        self._taken.update(shards)
        for number, split in enumerate(SPLITS):
            self._room[number] -= np.diff(arrays[f"{split}/indptr"])
            counts = np.diff(arrays[f"{split}/top_indptr"])
            some = np.flatnonzero(counts)
            peaks = np.zeros((len(some), 2 * TOP), dtype=np.float32)
            peaks[:, :TOP] = self._best[number, some]
            slots = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
            peaks[np.repeat(np.arange(len(some)), counts[some]), TOP + slots] = arrays[f"{split}/top_values"]
            self._best[number, some] = -np.sort(-peaks, axis=1)[:, :TOP]
