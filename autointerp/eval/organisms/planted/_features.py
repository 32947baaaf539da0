"""Drawing features that are active as often as they are asked to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autointerp.errors import OrganismError
from autointerp.eval.organisms.planted._function import Kind, Part
from autointerp.eval.organisms.planted._lexicon import Lexicon
from autointerp.eval.organisms.planted._machine import LEVELS, Ints, Tables, compiled

#: How many functions are tried for one feature, and how far from what was asked the best of them may be.
_TRIES, _CLOSE, _FAR = 24, 1.1, 1.5
#: What the rarer latent of a pair has to have of the density.
_LEAST_PART = 0.1
_LEAST_DENSITY, _MOST_DENSITY = 1e-4, 0.5


@dataclass(frozen=True, eq=False)
class Sample:
    """Texts as a matrix of ids [texts, tokens], BOS left out, where they are text, and the strings of the vocabulary."""

    ids: Ints
    valid: NDArray[np.bool_]
    strings: Sequence[str]

    def lexicon(self) -> Lexicon:
        """How often each token occurs."""
        return Lexicon.counted(self.ids[self.valid], self.strings)


@dataclass(frozen=True, eq=False)
class Latent:
    """A latent to be planted.

    Attributes
    ----------
    kind, part: what it is.
    tables: its function, None where it has none.
    shares: the share of positions of the sample at each level, [1 + LEVELS].
    """

    kind: str
    part: Part
    tables: Tables | None
    shares: NDArray[np.float64]

    @property
    def density(self) -> float:
        """The share of positions at which it is active."""
        return float(self.shares[1:].sum())


@dataclass(frozen=True)
class Wish:
    """A feature to draw: the name of its kind, and how often it is to be active."""

    name: str
    kind: Kind
    density: float


def draw_all(wishes: Sequence[Wish], sample: Sample, seed: int) -> list[list[Latent]]:
    """The latents of every wish. Raises OrganismError with every density that cannot be had."""
    lexicon = sample.lexicon()
    reasons, drawn = [], []
    for number, wish in enumerate(wishes):
        random = np.random.default_rng([seed, 11, number])
        latents, best = _drawn(wish, sample, lexicon, random)
        drawn.append(latents)
        if not 1 / _FAR <= best / wish.density <= _FAR:
            reasons.append(f"{wish.name} {wish.density:.2g} (the nearest found is {best:.2g})")
    if reasons:
        raise OrganismError(
            f"densities that these functions do not reach on this host, whatever the noise: {'; '.join(reasons)};"
            " ask for another density or leave it out"
        )
    return drawn


def _drawn(wish: Wish, sample: Sample, lexicon: Lexicon, random: np.random.Generator) -> tuple[list[Latent], float]:
    """The latents of the best try, and the density of the feature."""
    best: tuple[float, list[Latent], float] | None = None
    aim = wish.density
    for _ in range(_TRIES):
        parts = wish.kind.draw(random, lexicon, aim)
        latents = [_latent(wish, part, sample) for part in parts]
        density = wish.kind.density([latent.density for latent in latents])
        off = abs(np.log(max(density, 1e-9) / wish.density))
        # A latent that is hardly ever active, beside one that is, is no pair.
        off += 10.0 * any(min(latent.density, 1 - latent.density) < _LEAST_PART * wish.density for latent in latents)
        if best is None or off < best[0]:
            best = (float(off), latents, density)
        if off <= np.log(_CLOSE):
            break
        aim = float(np.clip(aim * np.clip(wish.density / max(density, 1e-9), 0.25, 4.0), _LEAST_DENSITY, _MOST_DENSITY))
    assert best is not None
    return best[1], best[2] if best[0] < 10.0 else 0.0


def _latent(wish: Wish, part: Part, sample: Sample) -> Latent:
    if part.function is None:
        shares = np.zeros(1 + LEVELS)
        shares[0], shares[1:] = 1 - wish.density, wish.density / LEVELS
        return Latent(wish.name, part, None, shares)
    tables = compiled(part.function.machine(), sample.strings)
    levels = tables.run(sample.ids)[sample.valid]
    return Latent(wish.name, part, tables, np.bincount(levels, minlength=1 + LEVELS) / len(levels))
