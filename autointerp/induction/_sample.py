"""What predicates over groups of tokens are learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from autointerp.induction._groups import Floats, Ints

#: A predicate that explains less of what it is asked about than this is not tried.
LEAST = 0.02
#: From so much on a group is made better token by token, in so many passes over tokens that occur so often.
PROMISING, PASSES, SEEN = 0.1, 2, 5
#: A token is marked where it is active so many times as often as any token is, and so many times at least.
_OFTEN, _FEWEST = 1.5, 2
_TRIED, _FREQUENT, _TIMES = 600, 200, 10


@dataclass(frozen=True, eq=False)
class Sample:
    """Tokens of some texts, put end to end.

    Attributes
    ----------
    codes: numbers of the tokens into `strings`, [tokens].
    before: the codes of the eight before, nearest first, -1 where there is none, [8, tokens].
    starts: where the text of each token begins, [tokens].
    y: activations, [tokens].
    """

    strings: Sequence[str]
    codes: Ints
    before: Ints
    starts: Ints
    y: Floats

    @cached_property
    def marks(self) -> Floats:
        """By code, the mean activation where a marked token is active; 0 for the others."""
        size = len(self.strings)
        active = self.y > 0
        counts, times = np.bincount(self.codes, minlength=size), np.bincount(self.codes[active], minlength=size)
        strength = np.bincount(self.codes, weights=self.y, minlength=size) / np.maximum(times, 1)
        often = times / (counts + 1) > _OFTEN * active.mean()
        return np.where(often & (times >= _FEWEST), strength, 0.0)

    @cached_property
    def live(self) -> Ints:
        """The places of marked tokens."""
        return np.flatnonzero(self.marks[self.codes] > 0)

    @cached_property
    def share(self) -> Floats:
        """Activation at the places of marked tokens by what is usual for the token where it is active."""
        share: Floats = np.minimum(self.y[self.live] / self.marks[self.codes[self.live]], 2.0)
        return share

    @cached_property
    def known(self) -> list[int]:
        """The codes of all tokens that occur five times, the most frequent first."""
        counts = np.bincount(self.codes, minlength=len(self.strings))
        order = np.argsort(-counts, kind="stable")[:_TRIED]
        return [int(code) for code in order if counts[code] >= SEEN]

    @cached_property
    def spread(self) -> float:
        """The sum of squares of the activations about their mean."""
        return float(((self.y - self.y.mean()) ** 2).sum())

    def worthwhile(self, found: float, value: float, *, more: bool) -> bool:
        """Whether a group may change that explained `found` and then explains `value`.

        A token `more` has to explain as much as two activations; one less may cost half of that.
        """
        return value >= found + (self.least if more else -self.least / 2)

    @cached_property
    def least(self) -> float:
        """What a token more has to explain of the variance: as much as two activations."""
        return max(1e-3, 2 / max(1, int((self.y > 0).sum())))

    @cached_property
    def frequent(self) -> list[int]:
        """The codes that occur most often, ten times at least."""
        counts = np.bincount(self.codes, minlength=len(self.strings))
        order = np.argsort(-counts, kind="stable")[:_FREQUENT]
        return [int(code) for code in order if counts[code] >= _TIMES]

    def group(self, codes: Sequence[int]) -> frozenset[str]:
        """The tokens of some codes."""
        return frozenset(self.strings[code] for code in codes)
