"""From levels to activations that are distributed like another latent's, with as much noise as was asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


#: Into how many straight pieces the distribution within a level is divided.
PIECES = 4


@dataclass(frozen=True, eq=False)
class Values:
    """What a latent's levels are as activations.

    At each level the network draws from a distribution of its own; with probability `resampled` it draws the level anew from
    `shares` first. The truth is the mean at the level. So a latent is active just as often and as strongly as its function
    says, and the correlation of its activations with the truth is `agreement`: to draw a variable anew from its own
    distribution with some probability takes that share off every correlation.

    Attributes
    ----------
    quantiles: at each level, those at 0, 1 / PIECES, … 1, with straight lines between, [1 + LEVELS, 1 + PIECES]; at level 0
        they are zero.
    shares: the share of positions at each level, [1 + LEVELS].
    """

    quantiles: Floats
    shares: Floats
    resampled: float

    @property
    def middle(self) -> Floats:
        """The activation that the truth gives to each level."""
        return _means(self.quantiles)

    @property
    def mean(self) -> float:
        """The mean activation where the latent is active."""
        return float(self.shares @ self.middle / self.shares[1:].sum())

    @property
    def agreement(self) -> float:
        """The correlation of activations with the truth that is to be expected."""
        return (1 - self.resampled) * _correlation(self.quantiles, self.shares)


def valued(template: Floats, shares: Floats, noise: float, *, known: bool) -> Values:
    """Activations for levels that occur at these shares of positions.

    Parameters
    ----------
    template: activations of another latent where it is active, [positions]: what the new one's are distributed like.
    noise: how much of the correlation with the truth is to be missing.
    known: whether the levels are those of a function; otherwise every level is drawn.
    """
    ends = np.concatenate([[0.0], np.cumsum(shares[1:] / shares[1:].sum())]).clip(0, 1)
    inside = ends[:-1, None] + np.diff(ends)[:, None] * np.linspace(0, 1, 1 + PIECES)
    quantiles = np.concatenate([np.zeros((1, 1 + PIECES)), np.quantile(template, inside)])
    if not known:
        return Values(quantiles, shares, 1.0)
    middle = _means(quantiles)[:, None]
    # Values that vary within a level cost agreement too: no more than there is to spend.
    within, allowed = _within(quantiles, shares), _between(quantiles, shares) * (1 / (1 - noise) ** 2 - 1)
    spread = 1.0 if within <= allowed else float(np.sqrt(allowed / within))
    quantiles = middle + spread * (quantiles - middle)
    return Values(quantiles, shares, max(0.0, 1 - (1 - noise) / _correlation(quantiles, shares)))


def _means(quantiles: Floats) -> Floats:
    """The mean at each level."""
    means: Floats = (quantiles[:, 1:] + quantiles[:, :-1]).mean(1) / 2
    return means


def _between(quantiles: Floats, shares: Floats) -> float:
    """The variance of the means."""
    means = _means(quantiles)
    return float(shares @ means**2 - (shares @ means) ** 2)


def _within(quantiles: Floats, shares: Floats) -> float:
    """The mean variance at a level."""
    low, high = quantiles[:, :-1], quantiles[:, 1:]
    squares = ((low**2 + low * high + high**2) / 3).mean(1)
    return float(shares @ (squares - _means(quantiles) ** 2))


def _correlation(quantiles: Floats, shares: Floats) -> float:
    between = _between(quantiles, shares)
    return float(np.sqrt(between / (between + max(0.0, _within(quantiles, shares)))))
