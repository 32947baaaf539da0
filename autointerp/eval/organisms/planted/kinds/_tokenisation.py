"""Active where the tokeniser cuts words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autointerp.eval.organisms.planted._function import Frequent, Part, some
from autointerp.eval.organisms.planted._lexicon import Lexicon
from autointerp.eval.organisms.planted._machine import LEVELS, Machine


@dataclass(frozen=True)
class Continued:
    """Active on a token in `on` (None for all) that goes on with a word, as its piece number `least` or a later one.

    A token goes on with a word if it starts with a letter and the one before it ends with one. The level is its length in
    characters.
    """

    least: int
    on: frozenset[str] | None

    def levels(self, tokens: Sequence[str]) -> list[int]:
        """See `Function`."""
        found = []
        for place, token in enumerate(tokens):
            start = place
            while start and tokens[start][:1].isalpha() and tokens[start - 1][-1:].isalpha():
                start -= 1
            here = self.on is None or token in self.on
            late = place > start and place - start + 1 >= self.least
            found.append(min(LEVELS, len(token)) if here and late else 0)
        return found

    def machine(self) -> Machine:
        """See `Function`; the state is the number of the piece before, 0 if that did not end with a letter."""

        def sort(token: str) -> tuple[int, bool, bool]:
            here = self.on is None or token in self.on
            return (min(LEVELS, len(token)) if here else 0), token[:1].isalpha(), token[-1:].isalpha()

        def step(pieces: int, kind: tuple[int, bool, bool]) -> tuple[int, int]:
            length, starts, ends = kind
            piece = pieces + 1 if pieces and starts else 1
            level = length if piece > 1 and piece >= self.least else 0
            return (min(piece, max(self.least, 2)) if ends else 0), level

        return Machine(0, sort, step)

    def words(self) -> str:
        """See `Function`."""
        what = "on a token" if self.on is None else f"on {some(self.on)}"
        return f"{what} that is piece {self.least} or later of a word, more the longer it is"


class Tokenisation(Frequent):
    """The kind."""

    summary = "Active on tokens that go on with a word which the tokeniser cut."

    def draw(self, random: np.random.Generator, lexicon: Lexicon, density: float) -> tuple[Part, ...]:
        """See `Kind`."""
        on = frozenset(lexicon.starting_with_a_letter.pick(random, min(0.6, 2 * density)).tokens)
        return (Part(Continued(int(random.integers(2, 4)), on), "on a later piece of a word"),)
