"""What is kept of the activations of a set of passages, such that two sets' are put together exactly.

Of each feature and split, an index keeps all activations in the passages of lowest rank, until there are `cap` of them, and
the passages of strongest peak. Both are bottom-k sketches (Cohen and Kaplan, 2007): what belongs to the sketch of a union
belongs to the sketch of the part that it came from. So joining the parts and cutting again gives the sketch of the union,
whatever the parts were and in whatever order they are joined.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autointerp.activations._arrays import Sink
from autointerp.activations._numbers import BINS, ragged

#: Passages kept for each feature and split by their strongest activation.
TOP = 24
#: Of these, the activations at every token are kept until there are so many.
TOP_ACTIVATIONS = 512

_PAGE = 16
_AT_ONCE, _MOST_FEATURES = 1 << 18, 1 << 12


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Passages in which features are active, one row for each feature and passage.

    Attributes
    ----------
    feature, passage, peak: who, where, and the strongest activation, exactly.
    token: the token at the peak.
    count: how many activations of the pair are listed in `places` and `codes`, one pair after the other; 0 where they
        are not kept.
    """

    feature: NDArray[np.int64]
    passage: NDArray[np.int64]
    peak: NDArray[np.float32]
    token: NDArray[np.int32]
    count: NDArray[np.int64]
    places: NDArray[np.uint16]
    codes: NDArray[np.uint16]

    @classmethod
    def joined(cls, parts: list[Pairs]) -> Pairs:
        """All rows, one part after the other."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__))

    def take(self, rows: NDArray[np.int64], count: NDArray[np.int64]) -> Pairs:
        """Some rows, each with its first `count` activations."""
        events = ragged((np.cumsum(self.count) - self.count)[rows], count)
        return Pairs(
            self.feature[rows],
            self.passage[rows],
            self.peak[rows],
            self.token[rows],
            count,
            self.places[events],
            self.codes[events],
        )

    def strongest(self) -> Pairs:
        """The `TOP` rows of each feature, features ascending, strongest first; of equal peaks the lower passage first."""
        peaks = ~self.peak.view(np.uint32)  # positive floats are ordered as their bits are
        order = np.argsort((peaks.astype(np.uint64) << np.uint64(32)) | self.passage.astype(np.uint64))
        keys = (self.feature[order].astype(np.uint64) << np.uint64(32)) | np.arange(len(order), dtype=np.uint64)
        keys.sort()
        rows = order[(keys & np.uint64(0xFFFFFFFF)).astype(np.int64)]
        feature = self.feature[rows]
        first = runs(feature)
        lengths = np.diff(np.append(first, len(rows)))
        slot = np.arange(len(rows)) - np.repeat(first, lengths)
        count = self.count[rows]
        before = np.cumsum(count) - count
        before -= np.repeat(before[first], lengths)
        count = np.where(before < TOP_ACTIVATIONS, count, 0)
        kept = slot < TOP
        return self.take(rows[kept], count[kept])


def chunks(features: int, rows: int) -> Iterator[tuple[int, int]]:
    """Ranges of features that have about `_AT_ONCE` of `rows` together: what is put in order at a time."""
    size = min(_MOST_FEATURES, max(1, _AT_ONCE * features // max(1, rows)))
    return ((start, min(start + size, features)) for start in range(0, features, size))


def runs(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each run of equal values begins."""
    new = np.ones(len(values), dtype=np.bool_)
    np.not_equal(values[1:], values[:-1], out=new[1:])
    return np.flatnonzero(new)


def put_top(sink: Sink, split: str, pairs: Pairs, size: int) -> None:
    """Store the strongest pairs of features 0 to `size` - 1, which `strongest` has put in order."""
    sink.append_counts(f"{split}/top_indptr", np.bincount(pairs.feature, minlength=size))
    sink.append(f"{split}/top_passages", pairs.passage.astype(np.int32))
    sink.append(f"{split}/top_values", pairs.peak)
    sink.append(f"{split}/top_tokens", pairs.token)
    sink.append(f"{split}/top_counts", pairs.count.astype(np.uint16))
    listed = np.bincount(pairs.feature, weights=pairs.count, minlength=size).astype(np.int64)
    sink.append_counts(f"{split}/top_event_indptr", listed)
    sink.append(f"{split}/top_places", pairs.places)
    sink.append(f"{split}/top_codes", pairs.codes)


def put_known(
    sink: Sink,
    split: str,
    feature: NDArray[np.int64],
    positions: NDArray[np.int64],
    codes: NDArray[np.uint16],
    *,
    size: int,
    cap: int,
    length: int,
    passages: int,
) -> None:
    """Store the activations of features 0 to `size` - 1 in the passages up to the one in which a feature reaches its cap.

    Parameters
    ----------
    feature, positions, codes: sorted by feature, then by position; a position is passage * length + place.
    passages: how many the split has.
    """
    counts = np.bincount(feature, minlength=size)
    known = np.full(size, passages, dtype=np.int64)
    full = np.flatnonzero(counts >= cap)
    known[full] = positions[(np.cumsum(counts) - counts)[full] + cap - 1] // length + 1
    kept = positions < (known * length)[feature]
    if not kept.all():
        feature, positions, codes = feature[kept], positions[kept], codes[kept]
        counts = np.bincount(feature, minlength=size)
    sink.append(f"{split}/known", known.astype(np.int32))
    sink.append_counts(f"{split}/indptr", counts)
    sink.append(f"{split}/codes", codes)
    sink.append(f"{split}/lows", (positions & ((1 << _PAGE) - 1)).astype(np.uint16))
    pages = positions >> _PAGE
    new = np.ones(len(pages), dtype=np.bool_)
    new[1:] = (pages[1:] != pages[:-1]) | (feature[1:] != feature[:-1])
    first = np.flatnonzero(new)
    sink.append_counts(f"{split}/page_indptr", np.bincount(feature[first], minlength=size))
    sink.append(f"{split}/pages", pages[first].astype(np.uint32))
    sink.append(f"{split}/page_counts", np.diff(np.append(first, len(pages))).astype(np.uint32))


def positions_of(lows: NDArray[np.uint16], pages: NDArray[np.uint32], counts: NDArray[np.uint32]) -> NDArray[np.int64]:
    """The positions that `put_known` stored as the low half of each, and the high half of each run of equal ones."""
    high: NDArray[np.int64] = np.repeat(pages.astype(np.int64) << _PAGE, counts)
    return high | lows.astype(np.int64)


def put_totals(
    sink: Sink,
    active: NDArray[np.int64],
    sums: NDArray[np.int64],
    maximum: NDArray[np.float32],
    histogram: NDArray[np.int64] | NDArray[np.int32],
) -> None:
    """Store counts [features], exact sums [features, 2], maxima [features] and histograms [features, BINS]."""
    sink.append("totals/active", active.astype(np.int64))
    sink.append("totals/sums", sums)
    sink.append("totals/maximum", maximum)
    feature, number = np.nonzero(histogram)
    sink.append_counts("totals/histogram_indptr", np.bincount(feature, minlength=len(active)))
    sink.append("totals/histogram_bins", number.astype(np.uint8))
    sink.append("totals/histogram_counts", histogram[feature, number].astype(np.int64))


assert BINS <= 256  # a bin's number is stored in a byte
