"""Active from a certain occurrence on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autointerp.eval.organisms.planted._function import Frequent, Part, some
from autointerp.eval.organisms.planted._lexicon import Lexicon
from autointerp.eval.organisms.planted._machine import LEVELS, Machine


@dataclass(frozen=True)
class Counted:
    """Active on a token in `counted` that is at least the `least`-th of them since the last token in `resets`.

    The level is by how many it is more than that, and 1.
    """

    counted: frozenset[str]
    resets: frozenset[str]
    least: int

    def levels(self, tokens: Sequence[str]) -> list[int]:
        """See `Function`."""
        found = []
        for place, token in enumerate(tokens):
            start = max((i + 1 for i in range(place) if tokens[i] in self.resets), default=0)
            number = sum(other in self.counted for other in tokens[start : place + 1])
            above = min(LEVELS, number - self.least + 1)
            found.append(above if token in self.counted and above > 0 else 0)
        return found

    def machine(self) -> Machine:
        """See `Function`; the state is the count."""

        def step(count: int, kind: tuple[bool, bool]) -> tuple[int, int]:
            counted, resets = kind
            count = min(count + counted, self.least + LEVELS - 1)
            level = max(0, count - self.least + 1) if counted else 0
            return (0 if resets else count), level

        return Machine(0, lambda token: (token in self.counted, token in self.resets), step)

    def words(self) -> str:
        """See `Function`."""
        since = f" since {some(self.resets)}" if self.resets else " of the text"
        return f"on {some(self.counted)} from number {self.least} of them on{since}, more with each"


class Counting(Frequent):
    """The kind."""

    summary = "Active from a certain occurrence of certain tokens on, more with each."

    def draw(self, random: np.random.Generator, lexicon: Lexicon, density: float) -> tuple[Part, ...]:
        """See `Kind`."""
        least = int(random.integers(2, 6))
        counted = frozenset(lexicon.pick(random, min(0.5, 2 * density)).tokens)
        resets = frozenset(lexicon.pick(random, 0.01).tokens) - counted if random.random() < 0.5 else frozenset[str]()
        return (Part(Counted(counted, resets, least), "on a later occurrence"),)
