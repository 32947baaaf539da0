"""Finding the group of tokens whose presence in a window goes with a number: which tokens, and how much they explain.

A group cannot be found token by token where its members stand together, or where a token stands beside members often. So
tokens are ranked by what follows them, as many of the first are taken as explain most, and the ranking is made again from
the places at which a token is the only member.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Members of a group at most when it is first put together; where tokens are then taken in one by one there may be more.
MOST = 40
#: Imaginary observations of the ordinary behind the mean of every token.
PRIOR = 2.0
#: How often tokens are ranked.
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Group:
    """Codes of tokens, best first, and the share of the variance that their presence explains."""

    codes: tuple[int, ...]
    explained: float


NOBODY = Group((), 0.0)


def present(windows: Ints, r: Floats, size: int) -> Group:
    """The group whose presence in a window explains most of `r`.

    Parameters
    ----------
    windows: codes below `size`, -1 where there is none, [offsets, places].
    r: [places].
    """
    total = float(((r - r.mean()) ** 2).sum()) if len(r) else 0.0
    if total == 0:
        return NOBODY
    best = NOBODY
    inside = np.zeros(size + 1, dtype=bool)
    for _ in range(_ROUNDS):
        # Places at which no other token of the window is a member.
        members = inside[windows]
        alone = (members.sum(0) - members) == 0
        ordinary = float(r[~members.any(0)].mean()) if not members.any(0).all() else 0.0
        places = np.broadcast_to(r, windows.shape)
        counts = np.bincount(windows[alone] + 1, minlength=size + 1)[1:]
        sums = np.bincount(windows[alone] + 1, weights=places[alone], minlength=size + 1)[1:]
        means = (sums + PRIOR * ordinary) / (counts + PRIOR)
        ranked = np.argsort(-means, kind="stable")[: 4 * MOST]
        found = _first(windows, r, ranked, size, total)
        if found.explained <= best.explained:
            break
        best = found
        inside[:] = False
        inside[list(found.codes)] = True
    return best


def _first(windows: Ints, r: Floats, ranked: Ints, size: int, total: float) -> Group:
    """As many of the ranked as explain most."""
    rank = np.full(size + 1, len(ranked), dtype=np.int64)
    rank[ranked] = np.arange(len(ranked))
    lowest = rank[windows].min(0)
    counts = np.cumsum(np.bincount(lowest, minlength=len(ranked) + 1))
    sums: Floats = np.cumsum(np.bincount(lowest, weights=r, minlength=len(ranked) + 1))
    return _best_prefix(ranked, counts[:MOST], sums[:MOST], len(r), float(r.sum()), total)


def _best_prefix(ranked: Ints, counts: Ints, sums: Floats, places: int, whole: float, total: float) -> Group:
    """By the variance between the places with and without, for every number of tokens taken."""
    with np.errstate(divide="ignore", invalid="ignore"):
        between = sums**2 / counts + (whole - sums) ** 2 / (places - counts) - whole**2 / places
    # Only groups whose presence raises the number.
    usable = (counts > 0) & (counts < places) & (sums * places > whole * counts)
    between = np.where(usable, between, 0.0)
    most = int(between.argmax())
    return Group(tuple(ranked[: most + 1].tolist()), float(between[most] / total))


def by_levels(levels: Ints, y: Floats) -> float:
    """The sum of squares that the means at each level explain."""
    counts = np.bincount(levels)
    sums = np.bincount(levels, weights=y)
    seen = counts > 0
    return float((sums[seen] ** 2 / counts[seen]).sum() - y.sum() ** 2 / len(y))


def sizes(most: int) -> Sequence[int]:
    """Numbers of tokens to try: all small ones, fewer of the large."""
    return sorted({size for size in (1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 32, MOST) if size <= most})
