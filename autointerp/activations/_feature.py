"""Everything about one feature, from the index alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autointerp.activations._numbers import BINS, as_float, edge
from autointerp.activations._sealed import Stored
from autointerp.activations._views import TrainView
from autointerp.activations._weights import Vocabulary, stored_logits, stored_neighbours
from autointerp.records import Example, FeatureStats

_TOP, _EACH = 10, 5
_RANGES = ("75-100%", "50-75%", "25-50%", "0-25%")


@dataclass(frozen=True, slots=True)
class FeatureView:
    """What is known of a feature.

    Attributes
    ----------
    stats: figures over all splits. Logits and neighbours are empty where the index has none of them: where the vocabulary
        or the dictionary is too large for its tokens (`feature_stats` computes them for one feature), or the output site
        has no way to the logits.
    examples: windows of the train split: the strongest, a uniform sample from each quarter of the range of activation, and
        near misses, which hold the feature's own tokens or are strong for its neighbours but do not activate it.
    """

    feature: int
    stats: FeatureStats
    examples: tuple[Example, ...]


def feature_view(stored: Stored, vocabulary: Vocabulary, train: TrainView, feature: int, tokens: int) -> FeatureView:
    """Read a feature. Every array is read at its own place only."""
    stats = stats_of(stored, vocabulary, feature, tokens)
    chosen = _active(train, feature, stats.maximum)
    silent = np.zeros(train.length, dtype=np.float32)
    near = stored["near/passages"].read(feature, feature + 1)[0]
    chosen += [(passage, "near miss", silent) for passage in near[near >= 0].tolist()]
    passages = [passage for passage, _, _ in chosen]
    examples = [
        Example(
            document=document,
            line=line,
            tokens=vocabulary.strings(ids),
            activations=tuple(values[1 : 1 + len(ids)].tolist()),
            quantile=quantile,
        )
        for (document, line), ids, (_, quantile, values) in zip(
            train.origins(passages), train.texts(passages), chosen, strict=True
        )
    ]
    return FeatureView(feature, stats, tuple(examples))


def train_feature(train: TrainView, feature: int, tokens: int) -> FeatureView:
    """The same from the train split alone, for those who hold no more; `tokens` is how many the index is of."""
    return feature_view(train._stored, Vocabulary(train._stored), train, feature, tokens)


def _active(train: TrainView, feature: int, maximum: float) -> list[tuple[int, str, NDArray[np.float32]]]:
    """Passages that activate a feature, the group that each of them stands for, and the activations."""
    top = train.top_passages(feature)
    shown = min(_TOP, top.listed)
    chosen = [(passage, "top", top.activations[i]) for i, passage in enumerate(top.passages[:shown].tolist())]
    windows = train.windows(feature)
    if not shown or not len(windows.rows):
        return chosen
    rows, first = np.unique(windows.rows, return_index=True)
    peaks = np.maximum.reduceat(windows.values, first)
    quarter = np.clip(np.ceil(peaks / np.float32(maximum) * 4) - 1, 0, 3)
    new = ~np.isin(rows, top.passages[:shown])
    ends = np.append(first, len(windows.rows))
    for i, name in enumerate(_RANGES):
        # Windows are in random order: the first ones of a range are a uniform sample of it.
        for j in np.flatnonzero(new & (quarter == 3 - i))[:_EACH]:
            inside = slice(ends[j], ends[j + 1])
            values = np.zeros(train.length, dtype=np.float32)
            values[windows.places[inside]] = windows.values[inside]
            chosen.append((int(rows[j]), name, values))
    return chosen


def stats_of(stored: Stored, vocabulary: Vocabulary, feature: int, tokens: int) -> FeatureStats:
    """The figures of one feature."""
    active = int(stored["totals/active"].read(feature, feature + 1)[0])
    total = float(as_float(stored["totals/sums"].read(feature, feature + 1))[0])
    begin, end = stored["totals/histogram_indptr"].read(feature, feature + 2).tolist()
    counts = np.zeros(BINS, dtype=np.int64)
    counts[stored["totals/histogram_bins"].read(begin, end)] = stored["totals/histogram_counts"].read(begin, end)
    filled = counts.nonzero()[0]
    low, high = (int(filled[0]), int(filled[-1]) + 1) if len(filled) else (0, 0)
    top, bottom = stored_logits(stored, vocabulary, feature)
    return FeatureStats(
        tokens=tokens,
        active=active,
        density=active / tokens,
        maximum=float(stored["totals/maximum"].read(feature, feature + 1)[0]),
        mean_active=total / active if active else 0.0,
        histogram_edges=tuple(edge(i) for i in range(low, high + 1)) if high else (),
        histogram_counts=tuple(counts[low:high].tolist()),
        top_logits=top,
        bottom_logits=bottom,
        neighbours=stored_neighbours(stored, feature),
    )
