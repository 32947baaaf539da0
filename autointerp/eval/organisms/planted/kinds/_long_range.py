"""Active on certain tokens as long as something far back has not been closed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autointerp.eval.organisms.planted._function import Frequent, Part, some
from autointerp.eval.organisms.planted._lexicon import Lexicon, marked
from autointerp.eval.organisms.planted._machine import Machine


@dataclass(frozen=True)
class Latched:
    """Active on a token in `marks` if one in `opens` stands `wait` tokens before it or more, with none in `closes` since.

    What counts is the first opening token after the last closing one; the token itself neither opens nor closes for itself.
    """

    marks: Mapping[str, int]
    opens: frozenset[str]
    closes: frozenset[str]
    wait: int

    def levels(self, tokens: Sequence[str]) -> list[int]:
        """See `Function`."""
        found = []
        for place, token in enumerate(tokens):
            closed = max((i for i in range(place) if tokens[i] in self.closes), default=-1)
            opened = next((i for i in range(closed + 1, place) if tokens[i] in self.opens), None)
            far = opened is not None and place - opened >= self.wait
            found.append(self.marks.get(token, 0) if far else 0)
        return found

    def machine(self) -> Machine:
        """See `Function`; the state is how far back the opening token is, None while there is none."""

        def step(distance: int | None, kind: tuple[int, bool, bool]) -> tuple[int | None, int]:
            mark, opens, closes = kind
            level = mark if distance is not None and distance >= self.wait else 0
            if closes:
                return None, level
            if distance is None:
                return (1 if opens else None), level
            return min(distance + 1, self.wait), level

        return Machine(None, lambda t: (self.marks.get(t, 0), t in self.opens, t in self.closes), step)

    def words(self) -> str:
        """See `Function`."""
        since = f"once {some(self.opens)} has stood {self.wait} tokens back or more, until {some(self.closes)}"
        return f"on {some(self.marks)} {since}"


class LongRange(Frequent):
    """The kind."""

    summary = "Active on certain tokens while something that stands far back has not been closed."

    def draw(self, random: np.random.Generator, lexicon: Lexicon, density: float) -> tuple[Part, ...]:
        """See `Kind`."""
        opens = frozenset(lexicon.pick(random, 0.03).tokens)
        closes = frozenset(lexicon.pick(random, 0.015).tokens) - opens
        marks = marked(random, lexicon.pick(random, min(0.6, 2 * density)).tokens)
        return (Part(Latched(marks, opens, closes, int(random.integers(8, 25))), "on tokens after a distant one"),)
