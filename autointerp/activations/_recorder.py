"""Takes in the activations of one shard and keeps its sketch.

Activations stay sparse: they wait until there are a few million, are sorted by feature at once, and what no sketch needs is
dropped. Memory is bounded by features times caps.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autointerp.activations._arrays import Memory
from autointerp.activations._numbers import BINS, bins_of, carried, pack, ragged, sums_of
from autointerp.activations._plan import SPLITS, ShardText
from autointerp.activations._sketch import TOP, Pairs, chunks, put_known, put_top, put_totals, runs

#: Activations that are sorted at a time, and that may wait to be among the strongest.
_WAITING, _PENDING = 1 << 18, 1 << 19
_LOW = np.uint64(0xFFFFFFFF)
#: Up to so many bins, a histogram of all features at once is quicker than counting in place.
_DENSE = 1 << 22


@dataclass(frozen=True, slots=True, eq=False)
class Floor:
    """What a shard need not keep, because of passages of lower rank that others have recorded.

    Attributes
    ----------
    room: how many activations of a feature may still be kept, [splits, features]; none where it is not above zero.
    least: a passage is among the strongest only with a peak above this, [splits, features].
    """

    room: NDArray[np.int64]
    least: NDArray[np.float32]

    @classmethod
    def nothing(cls, features: int, caps: tuple[int, ...]) -> Floor:
        """The floor of the first shard."""
        room = np.repeat(np.array(caps, dtype=np.int64)[:, None], features, axis=1)
        return cls(room, np.zeros(room.shape, dtype=np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """A finished shard: its arrays by name, and how many activations were not finite and left out."""

    arrays: dict[str, NDArray[Any]]
    tokens: int
    not_finite: int


@dataclass(slots=True, eq=False)
class _Totals:
    active: NDArray[np.int64]
    sums: NDArray[np.int64]
    maximum: NDArray[np.float32]
    histogram: NDArray[np.int32]


@dataclass(slots=True, eq=False)
class _Waiting:
    """Activations that were not looked at yet, in the order of their position."""

    features: list[NDArray[np.int64]] = field(default_factory=list)
    where: list[NDArray[np.uint32]] = field(default_factory=list)
    values: list[NDArray[np.float32]] = field(default_factory=list)
    size: int = 0


class ShardRecorder:
    """Records one shard. A place in it is written passage << 16 | place, passages numbered from 0 by rank."""

    def __init__(self, features: int, text: ShardText, length: int, caps: tuple[int, ...], floor: Floor) -> None:
        self._features, self._text, self._length, self._caps = features, text, length, caps
        self._splits = text.splits.astype(np.int64)
        self._room, self._least = floor.room.ravel().copy(), floor.least.ravel().copy()
        self._totals = _Totals(
            np.zeros(features, dtype=np.int64),
            np.zeros((features, 2), dtype=np.int64),
            np.zeros(features, dtype=np.float32),
            np.zeros(features * BINS, dtype=np.int32),
        )
        self._waiting = _Waiting()
        self._known: list[tuple[NDArray[np.int32], NDArray[np.uint32], NDArray[np.uint16]]] = []
        self._pairs: list[Pairs] = []
        self._pending = self._tidy_at = 0
        self._not_finite = 0

    def add(self, features: NDArray[np.int64], where: NDArray[np.uint32], values: NDArray[np.float32]) -> None:
        """Take in the activations of whole passages, those of higher rank after those of lower; `where` ascends."""
        good = np.isfinite(values)
        if not good.all():
            self._not_finite += int(len(good) - good.sum())
        good &= values > 0
        if not good.all():
            features, where, values = features[good], where[good], values[good]
        waiting = self._waiting
        waiting.features.append(features)
        waiting.where.append(where)
        waiting.values.append(values)
        waiting.size += len(values)
        if waiting.size >= _WAITING:
            self._flush()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, _Waiting()
        if not waiting.size:
            return
        keys = np.concatenate(waiting.features).astype(np.uint64)
        keys <<= np.uint64(32)
        keys |= np.arange(waiting.size, dtype=np.uint64)
        keys.sort()
        order = (keys & _LOW).astype(np.int64)
        feature = (keys >> np.uint64(32)).astype(np.int64)
        where = np.concatenate(waiting.where)[order]
        values = np.concatenate(waiting.values)[order]
        self._count(feature, values)
        passage = (where >> 16).astype(np.int64)
        first = runs(feature << 16 | passage)
        pair_feature, pair_passage = feature[first], passage[first]
        count = np.diff(np.append(first, len(feature)))
        group = self._splits[pair_passage] * self._features + pair_feature
        self._keep_known(feature, where, values, group, count)
        self._keep_top(where, values, first, count, pair_passage, group)

    def _count(self, feature: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        first = runs(feature)
        live, totals = feature[first], self._totals
        totals.active[live] += np.diff(np.append(first, len(feature)))
        totals.sums[live] = carried(totals.sums[live] + sums_of(values, first))
        totals.maximum[live] = np.maximum(totals.maximum[live], np.maximum.reduceat(values, first))
        bins = feature * BINS + bins_of(values)
        if len(totals.histogram) <= _DENSE:
            totals.histogram += np.bincount(bins, minlength=len(totals.histogram)).astype(np.int32)
        else:
            np.add.at(totals.histogram, bins, 1)

    def _keep_known(
        self,
        feature: NDArray[np.int64],
        where: NDArray[np.uint32],
        values: NDArray[np.float32],
        group: NDArray[np.int64],
        count: NDArray[np.int64],
    ) -> None:
        wanted = self._room[group] > 0
        if not wanted.any():
            return
        kept = slice(None) if wanted.all() else np.repeat(wanted, count)
        self._known.append((feature[kept].astype(np.int32), where[kept], pack(values[kept])))
        taken = np.bincount(group[wanted], weights=count[wanted], minlength=len(self._room))
        self._room -= taken.astype(np.int64)

    def _keep_top(
        self,
        where: NDArray[np.uint32],
        values: NDArray[np.float32],
        first: NDArray[np.int64],
        count: NDArray[np.int64],
        passage: NDArray[np.int64],
        group: NDArray[np.int64],
    ) -> None:
        """Keep the pairs that may be among the strongest, by group: a split and a feature in one number."""
        peak = np.maximum.reduceat(values, first)
        rows = np.flatnonzero(peak > self._least[group])
        if not len(rows):
            return
        events = ragged(first[rows], count[rows])
        places = (where[events] & 0xFFFF).astype(np.uint16)
        owner = np.repeat(np.arange(len(rows)), count[rows])
        at_peak = np.flatnonzero(values[events] == peak[rows][owner])
        place = np.zeros(len(rows), dtype=np.int64)
        # Backwards, so that of equal activations the first one's place stays.
        place[owner[at_peak[::-1]]] = places[at_peak[::-1]]
        tokens = self._text.ids[self._text.starts[passage[rows]] + place - 1]
        codes = pack(values[events])
        self._pairs.append(Pairs(group[rows], passage[rows], peak[rows], tokens, count[rows], places, codes))
        self._pending += len(events)
        if self._pending > max(_PENDING, self._tidy_at):
            self._tidy()

    def _tidy(self) -> Pairs:
        """Cut what waits to the strongest, and let later passages know what they have to exceed."""
        kept = Pairs.joined(self._pairs).strongest() if self._pairs else _no_pairs()
        self._pairs = [kept]
        self._pending, self._tidy_at = len(kept.places), 2 * len(kept.places)
        first = runs(kept.feature)
        lengths = np.diff(np.append(first, len(kept.feature)))
        whole = first[lengths == TOP] + TOP - 1
        self._least[kept.feature[whole]] = np.maximum(self._least[kept.feature[whole]], kept.peak[whole])
        return kept

    def finish(self) -> Recorded:
        """The arrays of the shard, each split's passages numbered from 0."""
        self._flush()
        sink, text, totals = Memory(), self._text, self._totals
        put_totals(sink, totals.active, totals.sums, totals.maximum, totals.histogram.reshape(-1, BINS))
        self._put_top(sink)
        self._put_known(sink)
        return Recorded(sink.arrays(), text.tokens, self._not_finite)

    def _ordinals(self, number: int) -> NDArray[np.int64]:
        """The number that each passage of a split has in the split."""
        return np.cumsum(self._splits == number) - 1

    def _put_top(self, sink: Memory) -> None:
        pairs, self._pairs = self._tidy(), []
        for number, split in enumerate(SPLITS):
            low, high = np.searchsorted(pairs.feature, [number * self._features, (number + 1) * self._features])
            mine = pairs.take(np.arange(low, high), pairs.count[low:high])
            feature, passage = mine.feature - number * self._features, self._ordinals(number)[mine.passage]
            put_top(sink, split, replace(mine, feature=feature, passage=passage), self._features)

    def _put_known(self, sink: Memory) -> None:
        features, places, codes = self._sorted_known()
        for start, stop in chunks(self._features, len(features)):
            inside = slice(*np.searchsorted(features, [start, stop]).tolist())
            feature, where = features[inside] - start, places[inside]
            passage = (where >> 16).astype(np.int64)
            split_of_event = self._splits[passage]
            for number, (split, cap) in enumerate(zip(SPLITS, self._caps, strict=True)):
                rows = np.flatnonzero(split_of_event == number)
                first = self._ordinals(number)[passage[rows]] * self._length
                put_known(
                    sink,
                    split,
                    feature[rows],
                    first + (where[rows] & 0xFFFF),
                    codes[inside][rows],
                    size=stop - start,
                    cap=cap,
                    length=self._length,
                    passages=int((self._splits == number).sum()),
                )

    def _sorted_known(self) -> tuple[NDArray[np.int64], NDArray[np.uint32], NDArray[np.uint16]]:
        if not self._known:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint32), np.zeros(0, dtype=np.uint16)
        known, self._known = self._known, []
        keys = np.concatenate([feature for feature, _, _ in known]).astype(np.uint64)
        keys <<= np.uint64(32)
        keys |= np.arange(len(keys), dtype=np.uint64)
        keys.sort()
        order = (keys & _LOW).astype(np.int64)
        keys >>= np.uint64(32)
        where, codes = (np.concatenate([part[i] for part in known])[order] for i in (1, 2))
        return keys.view(np.int64), where, codes


def _no_pairs() -> Pairs:
    whole, places = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint16)
    return Pairs(whole, whole, np.zeros(0, np.float32), np.zeros(0, np.int32), whole, places, places)
