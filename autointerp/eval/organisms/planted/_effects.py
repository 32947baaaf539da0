"""What planted latents do to the logits: a known amount to a few known tokens, and little to all others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autointerp.eval.organisms.planted._host import Floats

_FEWEST, _MOST = 6, 12
#: What tokens that are none of the known ones get at most, as a share of what those get.
BACKGROUND = 0.25
#: A latent that is active more often than this moves the logits less, by the root of how much more often.
_USUAL = 0.02


@dataclass(frozen=True)
class Effect:
    """What one unit of activation adds to the logits: `per_unit` to the tokens with these ids, up to `others` to the rest.

    Without ids there is no effect.
    """

    ids: tuple[int, ...]
    per_unit: float
    others: float

    def words(self) -> str:
        """The effect in words."""
        if not self.ids:
            return "it does nothing to the logits"
        return f"each unit of it adds {self.per_unit:+.3f} to the logits of {len(self.ids)} tokens"


def draw_effect(
    direction: Floats, lens: Floats, mean: float, density: float, strength: float, random: np.random.Generator
) -> tuple[Effect, Floats]:
    """An effect, and the row of it for the whole vocabulary.

    The tokens are those that the latent's direction [width] moves most by way of the head alone, up or down, so that what the
    weights suggest and what happens are about the same tokens.

    Parameters
    ----------
    lens: [vocabulary, width].
    mean, density: the latent's mean activation where it is active, and at what share of positions that is.
    strength: by how much the logits move at the mean activation, if the latent is not active too often.
    """
    seen = lens @ direction
    seen = seen - seen.mean()
    sign = 1.0 if random.random() < 0.5 else -1.0
    ids: NDArray[np.int64] = np.argsort(-sign * seen, kind="stable")[: int(random.integers(_FEWEST, _MOST + 1))]
    size = strength / mean * min(1.0, float(np.sqrt(_USUAL / density)))
    others = np.ones(len(seen), dtype=bool)
    others[ids] = False
    largest = float(np.abs(seen[others]).max()) or 1.0
    row = (seen * (BACKGROUND * size / largest)).astype(np.float32)
    row[ids] = sign * size
    return Effect(tuple(sorted(ids.tolist())), float(row[ids[0]]), float(np.abs(row[others]).max())), row
