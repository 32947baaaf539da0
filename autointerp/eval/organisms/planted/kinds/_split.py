"""One function shared out between two latents by a property that has nothing to do with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autointerp.eval.organisms.planted._function import Frequent, Function, Part, some
from autointerp.eval.organisms.planted._lexicon import Lexicon
from autointerp.eval.organisms.planted._machine import Machine
from autointerp.eval.organisms.planted.kinds._context import Contexts
from autointerp.eval.organisms.planted.kinds._token_sets import TokenSets


@dataclass(frozen=True)
class Half:
    """Active where `whole` is and an odd (or else an even) number of tokens in `turns` came before."""

    whole: Function
    turns: frozenset[str]
    odd: bool

    def levels(self, tokens: Sequence[str]) -> list[int]:
        """See `Function`."""
        return [
            level if sum(t in self.turns for t in tokens[:place]) % 2 == self.odd else 0
            for place, level in enumerate(self.whole.levels(tokens))
        ]

    def machine(self) -> Machine:
        """See `Function`; the state is that of the whole, and whether the number is odd."""
        whole = self.whole.machine()

        def step(state: tuple[object, bool], kind: tuple[object, bool]) -> tuple[tuple[object, bool], int]:
            inner, level = whole.step(state[0], kind[0])
            return (inner, state[1] ^ kind[1]), (level if state[1] == self.odd else 0)

        return Machine((whole.start, False), lambda token: (whole.sort(token), token in self.turns), step)

    def words(self) -> str:
        """See `Function`."""
        return f"{self.whole.words()}, if an {'odd' if self.odd else 'even'} number of {some(self.turns)} came before"


class Split(Frequent):
    """The kind."""

    summary = "One function over two latents: which of them is active depends on something else."

    def draw(self, random: np.random.Generator, lexicon: Lexicon, density: float) -> tuple[Part, ...]:
        """See `Kind`."""
        kind = (TokenSets(), Contexts())[int(random.integers(2))]
        whole = kind.draw(random, lexicon, min(0.6, 2 * density))[0].function
        turns = frozenset(lexicon.pick(random, 0.05).tokens)
        assert whole is not None
        return tuple(
            Part(Half(whole, turns, odd), f"one half of two: {name}") for odd, name in ((False, "even"), (True, "odd"))
        )
