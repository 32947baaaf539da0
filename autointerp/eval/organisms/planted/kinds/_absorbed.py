"""A general latent that is silent exactly where a more specific one is active."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autointerp.eval.organisms.planted._function import Frequent, Function, Part
from autointerp.eval.organisms.planted._lexicon import Lexicon, marked
from autointerp.eval.organisms.planted._machine import Machine, together
from autointerp.eval.organisms.planted.kinds._token_sets import TokenSet


@dataclass(frozen=True)
class Without:
    """Active where `general` is and `specific` is not."""

    general: Function
    specific: Function

    def levels(self, tokens: Sequence[str]) -> list[int]:
        """See `Function`."""
        pairs = zip(self.general.levels(tokens), self.specific.levels(tokens), strict=True)
        return [0 if specific else general for general, specific in pairs]

    def machine(self) -> Machine:
        """See `Function`."""
        return together([self.general.machine(), self.specific.machine()], lambda pair: 0 if pair[1] else pair[0])

    def words(self) -> str:
        """See `Function`."""
        return f"{self.general.words()}, but not {self.specific.words()}"


class Absorbed(Frequent):
    """The kind; absorption is described by Chanin et al. (2024), "A is for absorption"."""

    summary = "A general latent that is silent where a specific one, of one of its tokens, is active."

    def draw(self, random: np.random.Generator, lexicon: Lexicon, density: float) -> tuple[Part, ...]:
        """See `Kind`."""
        tokens = lexicon.pick(random, 1.3 * density).tokens
        if len(tokens) < 2:
            tokens = (*tokens, *lexicon.single(random, 0.3 * density).tokens)
        taken = sorted(tokens, key=lambda token: (-lexicon.share([token]), token))[min(1, len(tokens) - 1)]
        general, specific = (TokenSet(marked(random, some)) for some in (tokens, (taken,)))
        return (
            Part(Without(general, specific), "the general one of two, silent where the other is active"),
            Part(specific, "the specific one of two, which absorbed a token"),
        )
