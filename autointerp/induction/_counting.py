"""Learning which tokens are counted, and what makes the count start again: see `Count`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from autointerp.induction._groups import MOST, PRIOR, Bools, Ints, by_levels, sizes
from autointerp.induction._predicates import Count
from autointerp.induction._sample import LEAST, PASSES, Sample

#: A token is counted where it is active so many times at least.
_FEWEST = 2


def counted(sample: Sample) -> Iterator[Count]:
    """A group of which later members are active, and what makes the count start again."""
    size, y = len(sample.strings), sample.y
    times = np.bincount(sample.codes, weights=y > 0, minlength=size)
    often = times / (np.bincount(sample.codes, minlength=size) + PRIOR)
    ranked = np.argsort(-often, kind="stable")[: 2 * MOST]
    ranked = ranked[times[ranked] >= _FEWEST]

    def worth(inside: Bools, again: Bools) -> float:
        level = _counts(sample, inside, again)
        # Those of the group apart from the others, which are not active at any count.
        return by_levels(np.where(inside[sample.codes], level + 1, 0), y) / sample.spread

    best: tuple[float, Bools] | None = None
    nothing = np.zeros(size, dtype=bool)
    for number in sizes(len(ranked)):
        inside = np.zeros(size, dtype=bool)
        inside[ranked[:number]] = True
        value = worth(inside, nothing)
        if best is None or value > best[0]:
            best = value, inside
    if best is None:
        return
    found, inside = best
    alone = by_levels(inside[sample.codes].astype(np.int64), y) / sample.spread
    if found < alone + LEAST:
        return
    again = nothing
    for _ in range(PASSES):
        again = _again(sample, inside)
        found = worth(inside, again)
        for code in ranked.tolist():
            inside[code] = not inside[code]
            value = worth(inside, again)
            if sample.worthwhile(found, value, more=bool(inside[code])):
                found = value
            else:
                inside[code] = not inside[code]
    if inside.any():
        yield Count(sample.group(np.flatnonzero(inside).tolist()), sample.group(np.flatnonzero(again).tolist()))


def _again(sample: Sample, inside: Bools) -> Bools:
    """What makes the count start again: tokens taken in one by one, those that explain most alone first."""
    running = np.cumsum(inside[sample.codes])
    at = np.flatnonzero(inside[sample.codes])
    if not len(at):
        return np.zeros(len(sample.strings), dtype=bool)
    y = sample.y[at]
    since: Ints = running[sample.starts[at]] - inside[sample.codes[sample.starts[at]]]
    again = np.zeros(len(sample.strings), dtype=bool)

    def worth(base: Ints) -> float:
        return by_levels(np.minimum(running[at] - base, Count.most), y) / sample.spread

    plain = worth(since)
    bases = {}
    for code in sample.known:
        if not inside[code]:
            # The last of them before each place of the group, and how many had been counted by then.
            where = np.flatnonzero(sample.codes == code)
            last = np.searchsorted(where, at) - 1
            bases[code] = np.where(last >= 0, running[where[last]], 0)
    gains = {code: worth(np.maximum(since, base)) - plain for code, base in bases.items()}
    for code in sorted((c for c, gain in gains.items() if gain >= sample.least), key=lambda c: -gains[c]):
        trial = np.maximum(since, bases[code])
        value = worth(trial)
        if sample.worthwhile(plain, value, more=True):
            since, plain = trial, value
            again[code] = True
    return again


def _counts(sample: Sample, inside: Bools, again: Bools) -> Ints:
    """As `Count` counts."""
    running = np.cumsum(inside[sample.codes])
    # What had been counted when the text began, or when the count last started again.
    resets = again[sample.codes]
    base = np.where(sample.starts == np.arange(len(running)), running - inside[sample.codes], 0)
    base[1:] = np.maximum(base[1:], np.where(resets[:-1], running[:-1], 0))
    counts: Ints = np.minimum(running - np.maximum.accumulate(base), Count.most)
    return counts
