"""Two latents, one of which is active wherever the other is."""

from __future__ import annotations

import numpy as np

from autointerp.eval.organisms.planted._function import Frequent, Part
from autointerp.eval.organisms.planted._lexicon import Lexicon, marked
from autointerp.eval.organisms.planted.kinds._token_sets import TokenSet


class Twins(Frequent):
    """The kind."""

    summary = "Two latents, a wide one and a narrow one: where the narrow one is active, the wide one is too."

    def draw(self, random: np.random.Generator, lexicon: Lexicon, density: float) -> tuple[Part, ...]:
        """See `Kind`."""
        tokens = lexicon.pick(random, density).tokens
        if len(tokens) < 2:
            tokens = (*tokens, *lexicon.single(random, 0.3 * density).tokens)
        wide = marked(random, tokens)
        few = random.permutation(len(tokens))[: max(1, len(tokens) // 3)].tolist()
        narrow = {tokens[i]: wide[tokens[i]] for i in sorted(few)}
        return Part(TokenSet(wide), "the wide one of two"), Part(TokenSet(narrow), "the narrow one of two")
