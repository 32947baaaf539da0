"""How much text an index is made from, and how much of it is kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """How much text, cut how, and how many activations a feature keeps in each split.

    Attributes
    ----------
    tokens: taken from the corpus, BOS not counted.
    context: places in a passage, BOS included; at most the model's context.
    train_cap, heldout_cap: a feature's activations are kept until there are so many in a split.
    shard: tokens that are recorded at a time; what was finished is kept when a build is broken off.
    """

    tokens: int = 300_000
    context: int = 128
    train_cap: int = 2048
    heldout_cap: int = 768
    shard: int = 65_536

    @property
    def caps(self) -> tuple[int, int, int]:
        """The cap of each split, in the order of `Split`."""
        return self.train_cap, self.heldout_cap, self.heldout_cap
