"""Active without any reason in the text, and known by what it does to the logits alone."""

from __future__ import annotations

import numpy as np

from autointerp.eval.organisms.planted._function import Frequent, Part
from autointerp.eval.organisms.planted._lexicon import Lexicon


class OutputOnly(Frequent):
    """The kind. Its latents have no function: the network draws where they are active from a hash of the text so far."""

    summary = "Active at random, with an effect on the logits like any other."

    def draw(self, random: np.random.Generator, lexicon: Lexicon, density: float) -> tuple[Part, ...]:
        """See `Kind`."""
        del random, lexicon, density
        return (Part(None, "moves the logits for no reason in the text"),)
