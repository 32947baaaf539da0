"""Active on certain tokens only shortly after certain others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autointerp.eval.organisms.planted._function import Frequent, Part, some
from autointerp.eval.organisms.planted._lexicon import Lexicon, marked
from autointerp.eval.organisms.planted._machine import Machine


@dataclass(frozen=True)
class After:
    """Active on a token in `marks` if one of the `window` tokens before it is in `context`."""

    marks: Mapping[str, int]
    context: frozenset[str]
    window: int

    def levels(self, tokens: Sequence[str]) -> list[int]:
        """See `Function`."""
        return [
            self.marks.get(token, 0) if self.context.intersection(tokens[max(0, place - self.window) : place]) else 0
            for place, token in enumerate(tokens)
        ]

    def machine(self) -> Machine:
        """See `Function`; the state is for how many more tokens the context is within reach."""

        def step(reach: int, kind: tuple[int, bool]) -> tuple[int, int]:
            mark, opens = kind
            return (self.window if opens else max(reach - 1, 0)), (mark if reach else 0)

        return Machine(0, lambda token: (self.marks.get(token, 0), token in self.context), step)

    def words(self) -> str:
        """See `Function`."""
        return f"on {some(self.marks)} within {self.window} tokens after {some(self.context)}"


class Contexts(Frequent):
    """The kind."""

    summary = "Active on certain tokens, and only shortly after certain others."

    def draw(self, random: np.random.Generator, lexicon: Lexicon, density: float) -> tuple[Part, ...]:
        """See `Kind`."""
        window = int(random.integers(1, 5))
        context = lexicon.pick(random, float(random.uniform(0.05, 0.2)))
        near = min(0.9, window * lexicon.share(context.tokens))
        marks = marked(random, lexicon.pick(random, min(0.6, density / near)).tokens)
        return (Part(After(marks, frozenset(context.tokens), window), "on tokens in a context"),)
