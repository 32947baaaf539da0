"""Confidence intervals by resampling documents: tokens and texts of one document are not independent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 400
LEVEL = 0.95

Weights = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A value as a function of one weight per text, and the document of each text: what can be resampled."""

    statistic: Callable[[Weights], float]
    documents: NDArray[np.int32]

    def value(self) -> float:
        """With every document once."""
        return self.statistic(np.ones(len(self.documents)))

    def interval(self, *, seed: int) -> tuple[float, float]:
        """See `interval`."""
        return interval(self.statistic, self.documents, seed=seed)


def interval(
    statistic: Callable[[Weights], float], documents: NDArray[np.int32], *, seed: int, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """95% percentile bootstrap interval of a statistic (Efron 1979), clustered by document.

    Parameters
    ----------
    statistic: the value as a function of one weight per text, [texts]: how often the resample took its document.
    documents: the document of each text, [texts].
    """
    random = np.random.default_rng(seed)
    _, cluster = np.unique(documents, return_inverse=True)
    count = int(cluster.max()) + 1
    values = []
    for _ in range(resamples):
        drawn = np.bincount(random.integers(count, size=count), minlength=count)
        value = statistic(drawn[cluster].astype(np.float64))
        if np.isfinite(value):
            values.append(value)
    if not values:
        return (float("-inf"), float("inf"))
    edge = (1 - LEVEL) / 2
    low, high = np.quantile(values, [edge, 1 - edge])
    return float(low), float(high)
