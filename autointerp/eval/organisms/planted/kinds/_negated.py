"""Active everywhere but in certain places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autointerp.eval.organisms.planted._function import Function, Part
from autointerp.eval.organisms.planted._lexicon import Lexicon
from autointerp.eval.organisms.planted._machine import LEVELS, Machine
from autointerp.eval.organisms.planted.kinds._context import Contexts
from autointerp.eval.organisms.planted.kinds._token_sets import TokenSets


@dataclass(frozen=True)
class Everywhere:
    """Active wherever `but` is not; the level is how many tokens ago that was, or the text began."""

    but: Function

    def levels(self, tokens: Sequence[str]) -> list[int]:
        """See `Function`."""
        silent = [-1, *(place for place, level in enumerate(self.but.levels(tokens)) if level)]
        return [min(LEVELS, place - max(s for s in silent if s <= place)) for place in range(len(tokens))]

    def machine(self) -> Machine:
        """See `Function`; the state is that of the other function, and how long ago it was active."""
        but = self.but.machine()

        def step(state: tuple[object, int], kind: object) -> tuple[tuple[object, int], int]:
            inner, level = but.step(state[0], kind)
            since = 0 if level else min(LEVELS, state[1] + 1)
            return (inner, since), since

        return Machine((but.start, 0), but.sort, step)

    def words(self) -> str:
        """See `Function`."""
        return f"everywhere but {self.but.words()}, more the longer ago that was"


class Negated:
    """The kind. Its density is the share of positions at which it is silent."""

    summary = "Active everywhere but in certain places."

    def density(self, shares: Sequence[float]) -> float:
        """See `Kind`."""
        return 1 - min(shares)

    def draw(self, random: np.random.Generator, lexicon: Lexicon, density: float) -> tuple[Part, ...]:
        """See `Kind`."""
        kind = (TokenSets(), Contexts())[int(random.integers(2))]
        but = kind.draw(random, lexicon, density)[0].function
        assert but is not None
        return (Part(Everywhere(but), "silent in certain places alone"),)
