"""Learning predicates over groups of tokens from texts and activations.

Most of them are asked only where it matters: on tokens that the feature marks, for what decides whether it is active there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from autointerp.induction._counting import counted
from autointerp.induction._groups import MOST, Floats, Ints, by_levels, present, sizes
from autointerp.induction._latching import latched
from autointerp.induction._predicates import Dense, Gap, Marked, Near, Predicate
from autointerp.induction._sample import LEAST, PASSES, PROMISING, SEEN, Sample

_REACHES = (1, 2, 3, 4, 6, 8)
#: What the means of tokens may explain for groups to be looked for at all, and for what goes through the whole text.
_ENOUGH, _MOSTLY = 0.9, 0.6
#: Places of marked tokens from which on to look there.
_LIVE = 50
#: Places at which the linear fit looks at most, about; how far back it looks; reaches that are tried.
_FITTED, _BAG, _SPANS = 10_000, 6, range(3, 10)
#: What is added to the diagonal of that fit; what another reach or size has to explain more.
_RIDGE, _MORE = 10, 1e-3
#: A feature that is active less often than this is not silent after something.
_USUAL = 0.3


def grouped(sample: Sample) -> Iterator[Predicate]:
    """Those that explain something: each kind at most once or twice; none where the tokens alone explain nearly all."""
    if not len(sample.y) or sample.spread == 0:
        return
    alone = _token_alone(sample)
    if alone > _ENOUGH:
        return
    marked = present(sample.codes[None], sample.y, len(sample.strings))
    if len(marked.codes) > 1 and marked.explained >= LEAST:
        yield Marked(sample.group(marked.codes))
    if len(sample.live) >= _LIVE and sample.share.std() > 0:
        yield from _near(sample)
        if alone <= _MOSTLY:
            yield from latched(sample)
    if alone <= _MOSTLY:
        yield from counted(sample)
        yield from _dense(sample)
    yield from _gap(sample)


def _token_alone(sample: Sample) -> float:
    """The share of the variance that the means of tokens explain, of those that are seen often enough to have one."""
    often = np.bincount(sample.codes)[sample.codes] >= SEEN
    return by_levels(np.where(often, sample.codes + 1, 0), sample.y) / sample.spread


def _near(sample: Sample) -> Iterator[Near]:
    """What came shortly before where a marked token is active, and where it is not."""
    windows = sample.before[:, sample.live]
    for name, r in (("AFTER", sample.share), ("UNLESS", sample.share.max() - sample.share)):
        found = [(present(windows[:reach], r, len(sample.strings)), reach) for reach in _REACHES]
        group, reach = max(found, key=lambda pair: pair[0].explained)
        if group.explained >= LEAST:
            yield Near(name, sample.group(group.codes), reach)


def _dense(sample: Sample) -> Iterator[Dense]:
    """A group of which enough among the last few make the feature active, on whatever token."""
    y, size = sample.y, len(sample.strings)
    windows = np.concatenate([sample.codes[None], sample.before])
    some = np.arange(0, len(y), max(1, len(y) // _FITTED))
    told = y[some]
    spread = float(((told - told.mean()) ** 2).sum())
    if spread == 0 or not sample.frequent:
        return
    scanned = windows[:, some]
    ranked = _by_weight(sample.frequent, scanned[:_BAG], told, size)
    found, reach, group = 0.0, 0, ranked[:0]
    for number in sizes(len(ranked)):
        inside = np.zeros(size + 1, dtype=bool)
        inside[ranked[:number]] = True
        running = np.cumsum(inside[scanned], axis=0)
        for span in _SPANS:
            worth = by_levels(running[span - 1], told) / spread
            if worth > found + _MORE:
                found, reach, group = worth, span, ranked[:number]
    if found < LEAST:
        return
    if found >= PROMISING:
        group = _denser(sample, windows[:reach], group)
    yield Dense(sample.group(group.tolist()), reach)


def _by_weight(frequent: Sequence[int], windows: Ints, y: Floats, size: int) -> Ints:
    """The frequent tokens by their weights in a linear fit of activations to how often each is in the window.

    Members of the group weigh more, and neighbours of members do not.
    """
    codes = np.array(frequent, dtype=np.int64)
    rank = np.full(size + 1, len(codes), dtype=np.int64)
    rank[codes] = np.arange(len(codes))
    bags = np.zeros((len(y), len(codes) + 1), dtype=np.float32)
    for row in windows:
        bags[np.arange(len(y)), rank[row]] += 1
    bags[:, -1] = 1
    gram = bags.T @ bags
    gram[np.diag_indices_from(gram)] += _RIDGE
    weights = np.linalg.solve(gram, bags.T @ y.astype(np.float32))[:-1]
    ranked: Ints = codes[np.argsort(-weights, kind="stable")]
    return ranked


def _denser(sample: Sample, windows: Ints, group: Ints) -> Ints:
    """The group with every token taken in or out that explains more so."""
    y, size = sample.y, len(sample.strings)
    inside = np.zeros(size + 1, dtype=bool)
    inside[group] = True
    level = inside[windows].sum(0)
    # The places of each token, and where the text of each place ends.
    places = np.argsort(sample.codes, kind="stable")
    bounds = np.searchsorted(sample.codes[places], np.arange(size + 1))
    ends = np.append(np.flatnonzero(np.diff(sample.starts)) + 1, len(y))
    stop = np.repeat(ends, np.diff(np.append(0, ends)))
    most = len(windows) + 1
    counts: Floats = np.bincount(level, minlength=most).astype(np.float64)
    sums = np.bincount(level, weights=y, minlength=most).astype(np.float64)
    whole = y.sum() ** 2 / len(y)
    found = (_between(counts, sums) - whole) / sample.spread
    for _ in range(PASSES):
        before = found
        for code in sample.known:
            at = places[bounds[code] : bounds[code + 1]]
            reached = (at[:, None] + np.arange(len(windows))).ravel()
            reached = reached[reached < np.repeat(stop[at], len(windows))]
            where, times = np.unique(reached, return_counts=True)
            old = level[where]
            new = old + (-times if inside[code] else times)
            moved: Ints = np.bincount(new, minlength=most) - np.bincount(old, minlength=most)
            carried = np.bincount(new, weights=y[where], minlength=most) - np.bincount(
                old, weights=y[where], minlength=most
            )
            worth = (_between(counts + moved, sums + carried) - whole) / sample.spread
            if sample.worthwhile(found, worth, more=not inside[code]):
                inside[code] = not inside[code]
                level[where] = new
                counts, sums, found = counts + moved, sums + carried, worth
        if found - before < LEAST / 4:
            break
    return np.flatnonzero(inside[:-1])


def _between(counts: Floats, sums: Floats) -> float:
    """The sum over levels of the squared sum by the count."""
    seen = counts > 0
    return float((sums[seen] ** 2 / counts[seen]).sum())


def _gap(sample: Sample) -> Iterator[Gap]:
    """A group at which the feature is silent, the stronger the longer ago it was."""
    size, y = len(sample.strings), sample.y
    if (y > 0).mean() < _USUAL:
        return
    counts = np.bincount(sample.codes, minlength=size)
    means = (np.bincount(sample.codes, weights=y, minlength=size) + y.mean()) / (counts + 1)
    ranked = np.argsort(means, kind="stable")[:MOST]
    place = np.arange(len(y))
    best: tuple[float, int] = (0.0, 0)
    for number in sizes(len(ranked)):
        inside = np.zeros(size, dtype=bool)
        inside[ranked[:number]] = True
        last = np.maximum.accumulate(np.maximum(np.where(inside[sample.codes], place, -1), sample.starts - 1))
        worth = by_levels(np.minimum(place - last, Gap.most), y) / sample.spread
        best = max(best, (worth, number))
    if best[0] >= LEAST:
        yield Gap(sample.group(ranked[: best[1]].tolist()))
