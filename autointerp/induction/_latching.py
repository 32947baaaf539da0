"""Learning what opens, what closes, and how far back it has to stand: see `Latch`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from autointerp.induction._groups import MOST, PRIOR, Floats, Ints, present
from autointerp.induction._predicates import Latch
from autointerp.induction._sample import LEAST, PASSES, PROMISING, Sample

#: Live places that are looked at, about; how far back at least what opens is looked for; waits that are tried at first.
_LIVELIEST, _SOON = 2_000, 8
_WAITS = (1, 4, 8, 11, 14, 18, 22)
#: Numbers of closing tokens that are tried at first.
_CLOSING = (0, 5, 20)
#: After what may close, a marked token is active less often than usual by this factor; waits about the best that are tried.
_QUIET, _ABOUT = 0.5, 5


def latched(sample: Sample) -> Iterator[Latch]:
    """What opened far back and was not closed since, where a marked token is active."""
    step = max(1, len(sample.live) // _LIVELIEST)
    live, r, size = sample.live[::step], sample.share[::step], len(sample.strings)
    if r.std() == 0:
        return
    windows = sample.before[:, live]
    counts = np.bincount(windows.ravel() + 1, minlength=size + 1)[1:]
    sums = np.bincount(windows.ravel() + 1, weights=np.broadcast_to(r, windows.shape).ravel(), minlength=size + 1)[1:]
    # What closes is followed by silence, if only for as long as it takes to open again.
    quiet = (sums + PRIOR * r.mean()) / (counts + PRIOR)
    closing = [int(code) for code in np.argsort(quiet, kind="stable")[:MOST] if quiet[code] < _QUIET * r.mean()]
    states = _Latching(sample, live, r)
    best: tuple[float, Latch] | None = None
    for number in sorted({min(n, len(closing)) for n in _CLOSING}):
        found = states.opened(closing[:number])
        if found is not None and (best is None or found[0] > best[0]):
            best = found
    if best is None or best[0] < LEAST:
        return
    near = present(windows, r, size).explained
    yield states.better(best[1]) if best[0] >= max(PROMISING, near) else best[1]


class _Latching:
    """What latches say at the live places of a sample, and how much of `r` that explains.

    A latch is set where the last opening token, `wait` places back or more, comes after the last closing one: so of a group
    only the last place matters, and groups are made better by maxima alone.
    """

    def __init__(self, sample: Sample, live: Ints, r: Floats) -> None:
        self.sample, self.live, self.r = sample, live, r - r.mean()
        self.total = float((self.r**2).sum())
        self.begin = sample.starts[live]
        self.numbers = {text: number for number, text in enumerate(sample.strings)}
        self.where: dict[int, Ints] = {}

    def places(self, code: int) -> Ints:
        """Where a token stands."""
        if code not in self.where:
            self.where[code] = np.flatnonzero(self.sample.codes == code)
        return self.where[code]

    def last(self, codes: Sequence[int], back: int) -> Ints:
        """Where each token last stood so many places back or more, -1 where it did not, [codes, live]."""
        found = np.full((len(codes), len(self.live)), -1, dtype=np.int32)
        for row, code in zip(found, codes, strict=True):
            where = self.places(code)
            at = np.searchsorted(where, self.live - back, side="right") - 1
            row[:] = np.where(at >= 0, where[at], -1)
        return np.where(found >= self.begin, found, -1)

    def worth(self, opened: Ints, closed: Ints) -> Floats:
        """The share of the variance explained, of states [..., live]; 0 where an open latch lowers it."""
        held = opened > closed
        counts, sums = held.sum(-1), held @ self.r
        outside = np.maximum(len(self.r) - counts, 1)
        found = sums**2 * (1 / np.maximum(counts, 1) + 1 / outside) / self.total
        worth: Floats = np.where((sums > 0) & (counts < len(self.r)), found, 0.0)
        return worth

    def opened(self, closing: Sequence[int]) -> tuple[float, Latch] | None:
        """What opens, given what closes."""
        sample, r = self.sample, self.r
        closed = self.last(closing, 1).max(0, initial=-1)
        opening = [code for code in sample.frequent if code not in closing]
        back = self.last(opening, _SOON)
        held = back > closed
        scores = (held @ r) / (held.sum(1) + PRIOR)
        order = np.argsort(-scores, kind="stable")[:MOST]
        if not len(order):
            return None
        ranked = [opening[i] for i in order]
        best: tuple[float, int, int] = (0.0, 0, 0)
        for wait in _WAITS:
            states = np.maximum.accumulate(self.last(ranked, wait), axis=0)
            values = self.worth(states, closed)
            number = int(values.argmax())
            best = max(best, (float(values[number]), number + 1, wait))
        explained, number, wait = best
        if not number:
            return None
        return explained, Latch(sample.group(ranked[:number]), sample.group(closing), wait)

    def better(self, start: Latch) -> Latch:
        """The latch with every token taken in or out that explains more so, then at the best of the waits about."""
        opens, closes = ({self.numbers[t] for t in group} for group in (start.opens, start.closes))
        candidates = sorted({*self.sample.known, *opens, *closes})
        wait = start.wait
        shutting = self.last(candidates, 1)
        row = {code: number for number, code in enumerate(candidates)}
        for _ in range(PASSES + 1):
            opening = self.last(candidates, wait)
            for side in (1, 0):
                self._flip(side, (opens, closes), (opening, shutting), row)
            closed = shutting[[row[c] for c in sorted(closes)]].max(0, initial=-1)
            waits = range(max(1, wait - _ABOUT), wait + _ABOUT + 1)
            values = [float(self.worth(self.last(sorted(opens), w).max(0, initial=-1), closed)) for w in waits]
            wait = waits[int(np.argmax(values))]
        return Latch(self.sample.group(sorted(opens)), self.sample.group(sorted(closes)), wait)

    def _flip(
        self, side: int, groups: tuple[set[int], set[int]], arrays: tuple[Ints, Ints], row: dict[int, int]
    ) -> None:
        """Take tokens into one of the groups and out of it, as long as that explains more."""
        group, array = groups[side], arrays[side]
        states = [a[[row[c] for c in sorted(g)]].max(0, initial=-1) for g, a in zip(groups, arrays, strict=True)]
        found = float(self.worth(*states))

        def tried(other: Ints) -> Floats:
            return self.worth(other, states[1]) if side == 0 else self.worth(states[0], other)

        gains = tried(np.maximum(states[side], array)) - found
        for code in sorted(
            (c for c in row if c not in group and gains[row[c]] >= self.sample.least), key=lambda c: -gains[row[c]]
        ):
            trial = np.maximum(states[side], array[row[code]])
            value = float(tried(trial))
            if len(group) < MOST and self.sample.worthwhile(found, value, more=True):
                states[side], found = trial, value
                group.add(code)
        for code in sorted(group):
            trial = array[[row[c] for c in sorted(group - {code})]].max(0, initial=-1)
            value = float(tried(trial))
            if len(group) > 1 and self.sample.worthwhile(found, value, more=False):
                states[side], found = trial, value
                group.discard(code)
