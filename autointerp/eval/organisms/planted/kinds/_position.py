"""Active at certain places of the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autointerp.eval.organisms.planted._function import Frequent, Part, some
from autointerp.eval.organisms.planted._lexicon import Lexicon
from autointerp.eval.organisms.planted._machine import LEVELS, Machine


@dataclass(frozen=True)
class Positioned:
    """Active on the tokens in `on` (None for all) among those number `first` to `last` of the text, most at the first."""

    first: int
    last: int
    on: frozenset[str] | None

    def levels(self, tokens: Sequence[str]) -> list[int]:
        """See `Function`."""
        return [
            self._level(number) if self.first <= number <= self.last and (self.on is None or token in self.on) else 0
            for number, token in enumerate(tokens, start=1)
        ]

    def machine(self) -> Machine:
        """See `Function`; the state is the number of the token."""

        def step(number: int, here: bool) -> tuple[int, int]:
            inside = here and self.first <= number <= self.last
            return min(number + 1, self.last + 1), (self._level(number) if inside else 0)

        return Machine(1, lambda token: self.on is None or token in self.on, step)

    def words(self) -> str:
        """See `Function`."""
        what = "on every token" if self.on is None else f"on {some(self.on)}"
        return f"{what} among tokens {self.first} to {self.last} of the text, most at the first"

    def _level(self, number: int) -> int:
        return LEVELS - LEVELS * (number - self.first) // (self.last - self.first + 1)


class Position(Frequent):
    """The kind."""

    summary = "Active at certain places of the text, whatever is said there, or on common tokens there."

    #: About as long as the passages that texts are cut into.
    _LENGTH = 120

    def draw(self, random: np.random.Generator, lexicon: Lexicon, density: float) -> tuple[Part, ...]:
        """See `Kind`."""
        first = int(random.integers(1, 25))
        wide = round(density * self._LENGTH)
        if wide >= LEVELS // 2:
            return (Part(Positioned(first, first + wide - 1, None), "at places of the text"),)
        length = int(random.integers(LEVELS, 33))
        on = lexicon.pick(random, min(0.6, density * self._LENGTH / length))
        return (Part(Positioned(first, first + length - 1, frozenset(on.tokens)), "at places of the text"),)
