"""Active for a reason in the text that is easily found, and without any effect on what the network predicts."""

from __future__ import annotations

import numpy as np

from autointerp.eval.organisms.planted._function import Frequent, Part
from autointerp.eval.organisms.planted._lexicon import Lexicon, marked
from autointerp.eval.organisms.planted.kinds._token_sets import TokenSet


class Decoys(Frequent):
    """The kind."""

    summary = "Active on certain tokens like any other, and without effect on the logits."

    def draw(self, random: np.random.Generator, lexicon: Lexicon, density: float) -> tuple[Part, ...]:
        """See `Kind`."""
        tokens = marked(random, lexicon.pick(random, density).tokens)
        return (Part(TokenSet(tokens), "fits a set of tokens and does nothing", idle=True),)
