"""Active on certain tokens, wherever they stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autointerp.eval.organisms.planted._function import Frequent, Part, some
from autointerp.eval.organisms.planted._lexicon import Lexicon, marked
from autointerp.eval.organisms.planted._machine import Machine


@dataclass(frozen=True)
class TokenSet:
    """Active on the tokens in `marks`, at their levels."""

    marks: Mapping[str, int]

    def levels(self, tokens: Sequence[str]) -> list[int]:
        """See `Function`."""
        return [self.marks.get(token, 0) for token in tokens]

    def machine(self) -> Machine:
        """See `Function`."""
        return Machine(None, lambda token: self.marks.get(token, 0), lambda state, mark: (state, mark))

    def words(self) -> str:
        """See `Function`."""
        return f"on {some(self.marks)}"


class TokenSets(Frequent):
    """The kind."""

    summary = "Active on certain tokens that have something in common."

    def draw(self, random: np.random.Generator, lexicon: Lexicon, density: float) -> tuple[Part, ...]:
        """See `Kind`."""
        return (Part(TokenSet(marked(random, lexicon.pick(random, density).tokens)), "on a set of tokens"),)
