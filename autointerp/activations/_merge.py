"""Several shards or indices as one: the same as if their passages had been recorded together, whatever the order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autointerp.activations._arrays import Folder
from autointerp.activations._numbers import BINS, carried
from autointerp.activations._passage_table import interleaved, put_union
from autointerp.activations._plan import SPLITS
from autointerp.activations._sealed import Stored
from autointerp.activations._sketch import Pairs, chunks, positions_of, put_known, put_top, put_totals
from autointerp.errors import InputError

_CODE, _PLACE = np.uint64(16), np.uint64(36)


def merge_arrays(parts: Sequence[Stored], folder: Path, *, caps: Sequence[int]) -> None:
    """Write the arrays of the union of `parts` below `folder`.

    Raises InputError where two parts have a passage in common.
    """
    hashes = []
    with Folder(folder) as sink:
        _totals(parts, sink)
        for split, cap in zip(SPLITS, caps, strict=True):
            numbers = interleaved(parts, split)
            hashes.append(put_union(sink, parts, split, numbers))
            _known(parts, sink, split, numbers, cap)
            _top(parts, sink, split, numbers)
    texts = np.sort(np.concatenate(hashes))
    if (texts[1:] == texts[:-1]).any():
        raise InputError(
            "these indices share texts, which could stand in two splits: index the corpora as one, or in parts to be merged"
        )


def _totals(parts: Sequence[Stored], sink: Folder) -> None:
    features = len(parts[0]["totals/active"])
    for start, stop in chunks(features, features * BINS):
        size = stop - start
        active, sums = np.zeros(size, dtype=np.int64), np.zeros((size, 2), dtype=np.int64)
        maximum, histogram = np.zeros(size, dtype=np.float32), np.zeros((size, BINS), dtype=np.int64)
        for part in parts:
            active += part["totals/active"].read(start, stop)
            sums = carried(sums + part["totals/sums"].read(start, stop))
            maximum = np.maximum(maximum, part["totals/maximum"].read(start, stop))
            feature, low, high = owners(part, "totals/histogram_indptr", start, stop)
            bins = part["totals/histogram_bins"].read(low, high)
            histogram[feature, bins] += part["totals/histogram_counts"].read(low, high)
        put_totals(sink, active, sums, maximum, histogram)


def _known(parts: Sequence[Stored], sink: Folder, split: str, numbers: Sequence[NDArray[np.int64]], cap: int) -> None:
    features = len(parts[0]["totals/active"])
    length = parts[0][f"{split}/tokens"].shape[1]
    if sum(map(len, numbers)) * length >= 1 << int(_PLACE):
        raise InputError(f"more than {1 << int(_PLACE)} places in the {split} split: merge fewer indices")
    for start, stop in chunks(features, sum(len(part[f"{split}/codes"]) for part in parts)):
        keys = []
        for part, mine in zip(parts, numbers, strict=True):
            feature, low, high = owners(part, f"{split}/indptr", start, stop)
            positions = known_positions(part, split, start, stop, low, high)
            passage = positions // length
            positions += (mine[passage] - passage) * length
            key = (feature.astype(np.uint64) << _PLACE) | positions.astype(np.uint64)
            keys.append((key << _CODE) | part[f"{split}/codes"].read(low, high))
        key = np.concatenate(keys)
        key.sort()
        put_known(
            sink,
            split,
            (key >> (_CODE + _PLACE)).astype(np.int64),
            ((key >> _CODE) & np.uint64((1 << int(_PLACE)) - 1)).astype(np.int64),
            (key & np.uint64(0xFFFF)).astype(np.uint16),
            size=stop - start,
            cap=cap,
            length=length,
            passages=sum(map(len, numbers)),
        )


def _top(parts: Sequence[Stored], sink: Folder, split: str, numbers: Sequence[NDArray[np.int64]]) -> None:
    features = len(parts[0]["totals/active"])
    for start, stop in chunks(features, sum(len(part[f"{split}/top_codes"]) for part in parts)):
        found = []
        for part, mine in zip(parts, numbers, strict=True):
            pairs = top_pairs(part, split, start, stop)
            found.append(
                Pairs(
                    pairs.feature,
                    mine[pairs.passage],
                    pairs.peak,
                    pairs.token,
                    pairs.count,
                    pairs.places,
                    pairs.codes,
                )
            )
        put_top(sink, split, Pairs.joined(found).strongest(), stop - start)


def owners(part: Stored, indptr: str, start: int, stop: int) -> tuple[NDArray[np.int64], int, int]:
    """For the rows that belong to features `start` to `stop`: which of these each is of, and the range they lie in."""
    ends = part[indptr].read(start, stop + 1)
    return np.repeat(np.arange(stop - start), np.diff(ends)), int(ends[0]), int(ends[-1])


def known_positions(part: Stored, split: str, start: int, stop: int, low: int, high: int) -> NDArray[np.int64]:
    """The positions, in a part's own numbers, of the known activations of some features, which lie from `low` to `high`."""
    first, last = (int(i) for i in part[f"{split}/page_indptr"].read(start, stop + 1)[[0, -1]])
    return positions_of(
        part[f"{split}/lows"].read(low, high),
        part[f"{split}/pages"].read(first, last),
        part[f"{split}/page_counts"].read(first, last),
    )


def top_pairs(part: Stored, split: str, start: int, stop: int) -> Pairs:
    """The strongest passages of features `start` to `stop`, these numbered from 0."""
    feature, low, high = owners(part, f"{split}/top_indptr", start, stop)
    events = part[f"{split}/top_event_indptr"].read(start, stop + 1)
    first, last = int(events[0]), int(events[-1])
    return Pairs(
        feature,
        part[f"{split}/top_passages"].read(low, high).astype(np.int64),
        part[f"{split}/top_values"].read(low, high),
        part[f"{split}/top_tokens"].read(low, high),
        part[f"{split}/top_counts"].read(low, high).astype(np.int64),
        part[f"{split}/top_places"].read(first, last),
        part[f"{split}/top_codes"].read(first, last),
    )
