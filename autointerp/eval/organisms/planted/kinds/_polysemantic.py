"""Active for two or three reasons that have nothing to do with each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autointerp.eval.organisms.planted._function import Frequent, Function, Part
from autointerp.eval.organisms.planted._lexicon import Lexicon
from autointerp.eval.organisms.planted._machine import Machine, together
from autointerp.eval.organisms.planted.kinds._context import Contexts
from autointerp.eval.organisms.planted.kinds._counting import Counting
from autointerp.eval.organisms.planted.kinds._format import Format
from autointerp.eval.organisms.planted.kinds._token_sets import TokenSets


@dataclass(frozen=True)
class AnyOf:
    """Active where any of several functions is, as the highest."""

    functions: tuple[Function, ...]

    def levels(self, tokens: Sequence[str]) -> list[int]:
        """See `Function`."""
        return [max(column) for column in zip(*(f.levels(tokens) for f in self.functions), strict=True)]

    def machine(self) -> Machine:
        """See `Function`."""
        return together([f.machine() for f in self.functions], max)

    def words(self) -> str:
        """See `Function`."""
        return "; and also ".join(f.words() for f in self.functions)


class Polysemantic(Frequent):
    """The kind."""

    summary = "Active for two or three reasons that have nothing to do with each other."

    def draw(self, random: np.random.Generator, lexicon: Lexicon, density: float) -> tuple[Part, ...]:
        """See `Kind`."""
        number = int(random.integers(2, 4))
        others = [Contexts(), Counting(), Format()]
        chosen = [TokenSets(), *(others[i] for i in random.permutation(len(others))[: number - 1])]
        parts = [kind.draw(random, lexicon, density / number)[0].function for kind in chosen]
        return (Part(AnyOf(tuple(part for part in parts if part is not None)), f"for {number} reasons"),)
