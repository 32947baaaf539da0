"""Active where the text is laid out in a certain way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autointerp.eval.organisms.planted._function import Frequent, Part, some
from autointerp.eval.organisms.planted._lexicon import Lexicon, marked
from autointerp.eval.organisms.planted._machine import Machine

_BLANKS = " \t"


@dataclass(frozen=True)
class Indented:
    """Active on a token in `marks` if the line that it stands in starts with `least` blanks or more.

    The line is what stands between the last line break and the token.
    """

    marks: Mapping[str, int]
    least: int

    def levels(self, tokens: Sequence[str]) -> list[int]:
        """See `Function`."""
        found, text = [], ""
        for token in tokens:
            line = text.rpartition("\n")[2]
            deep = len(line) - len(line.lstrip(_BLANKS)) >= self.least
            found.append(self.marks.get(token, 0) if deep else 0)
            text += token
        return found

    def machine(self) -> Machine:
        """See `Function`; the state is how many blanks the line starts with, and whether there was nothing else yet."""

        def sort(token: str) -> tuple[int, bool, int, bool]:
            tail = token.rpartition("\n")[2]
            blanks = len(tail) - len(tail.lstrip(_BLANKS))
            return self.marks.get(token, 0), "\n" in token, min(blanks, self.least), blanks == len(tail)

        def step(state: tuple[int, bool], kind: tuple[int, bool, int, bool]) -> tuple[tuple[int, bool], int]:
            (blanks, leading), (mark, breaks, more, only) = state, kind
            level = mark if blanks >= self.least else 0
            if breaks:
                return (more, only), level
            return ((min(blanks + more, self.least), only) if leading else state), level

        return Machine((0, True), sort, step)

    def words(self) -> str:
        """See `Function`."""
        return f"on {some(self.marks)} in lines that start with {self.least} blanks or more"


@dataclass(frozen=True)
class Early:
    """Active on a token in `marks` with fewer than `most` tokens between it and the last one with a line break."""

    marks: Mapping[str, int]
    most: int

    def levels(self, tokens: Sequence[str]) -> list[int]:
        """See `Function`."""
        return [
            self.marks.get(token, 0) if any("\n" in t for t in tokens[max(0, place - self.most) : place]) else 0
            for place, token in enumerate(tokens)
        ]

    def machine(self) -> Machine:
        """See `Function`; the state is how many more tokens are early in their line."""

        def step(left: int, kind: tuple[int, bool]) -> tuple[int, int]:
            mark, breaks = kind
            return (self.most if breaks else max(left - 1, 0)), (mark if left else 0)

        return Machine(0, lambda token: (self.marks.get(token, 0), "\n" in token), step)

    def words(self) -> str:
        """See `Function`."""
        return f"on {some(self.marks)} among the first {self.most} tokens after a line break"


class Format(Frequent):
    """The kind."""

    summary = "Active on certain tokens where lines are indented, or where they begin."

    def draw(self, random: np.random.Generator, lexicon: Lexicon, density: float) -> tuple[Part, ...]:
        """See `Kind`."""
        marks = marked(random, lexicon.pick(random, min(0.6, 3 * density)).tokens)
        if random.random() < 0.5:
            return (Part(Indented(marks, int(random.choice([4, 8, 12]))), "in indented lines"),)
        return (Part(Early(marks, int(random.integers(1, 6))), "early in a line"),)
