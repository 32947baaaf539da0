"""Active where a sum over the last tokens is large enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autointerp.eval.organisms.planted._function import Frequent, Part, some
from autointerp.eval.organisms.planted._lexicon import Lexicon
from autointerp.eval.organisms.planted._machine import LEVELS, Machine


@dataclass(frozen=True)
class Dense:
    """Active where `least` or more of the last `window` tokens, this one included, are in `counted`; by how many more."""

    counted: frozenset[str]
    window: int
    least: int

    def levels(self, tokens: Sequence[str]) -> list[int]:
        """See `Function`."""
        found = []
        for end in range(1, len(tokens) + 1):
            number = sum(token in self.counted for token in tokens[max(0, end - self.window) : end])
            found.append(min(LEVELS, max(0, number - self.least + 1)))
        return found

    def machine(self) -> Machine:
        """See `Function`; the state is which of the tokens before were counted."""

        def step(before: tuple[bool, ...], here: bool) -> tuple[tuple[bool, ...], int]:
            window = (*before, here)
            return window[1:], min(LEVELS, max(0, sum(window) - self.least + 1))

        return Machine((False,) * (self.window - 1), lambda token: token in self.counted, step)

    def words(self) -> str:
        """See `Function`."""
        return f"where {self.least} or more of the last {self.window} tokens are among {some(self.counted)}, more with each"


class Thresholded(Frequent):
    """The kind."""

    summary = "Active where enough of the last few tokens are of a certain sort."

    def draw(self, random: np.random.Generator, lexicon: Lexicon, density: float) -> tuple[Part, ...]:
        """See `Kind`."""
        least = int(random.integers(2, 4))
        counted = lexicon.pick(random, min(0.5, 0.6 * density ** (1 / least)))
        return (Part(Dense(frozenset(counted.tokens), int(random.integers(5, 9)), least), "where enough adds up"),)
