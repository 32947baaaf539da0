"""Measures of ranking, weighted so that a bootstrap can count documents several times or not at all."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]


def auroc(scores: Floats, truth: NDArray[np.bool_], weights: Floats | None = None) -> float:
    """Area under the ROC curve: the chance that a true case scores above a false one, ties counting half.

    All arguments are [cases]. NaN where there is no case of one kind.
    """
    true, false = _levels(scores, truth, weights)
    whole = true.sum() * false.sum()
    if whole <= 0:
        return float("nan")
    below = np.cumsum(false) - false
    return float((true * (below + false / 2)).sum() / whole)


def average_precision(scores: Floats, truth: NDArray[np.bool_], weights: Floats | None = None) -> float:
    """Sum over thresholds of the gain in recall times the precision there; no interpolation. NaN without a true case."""
    true, false = (level[::-1] for level in _levels(scores, truth, weights))
    if true.sum() <= 0:
        return float("nan")
    found, taken = np.cumsum(true), np.cumsum(true + false)
    precision = np.divide(found, taken, out=np.zeros_like(found), where=taken > 0)
    return float((true * precision).sum() / true.sum())


def balanced_accuracy(said: NDArray[np.bool_], truth: NDArray[np.bool_], weights: Floats | None = None) -> float:
    """Mean of the share of true cases that were called true and of false ones called false; NaN without both kinds."""
    w = np.ones(len(truth)) if weights is None else np.asarray(weights, dtype=np.float64)
    true, false = w[truth].sum(), w[~truth].sum()
    if true <= 0 or false <= 0:
        return float("nan")
    return float((w[truth & said].sum() / true + w[~truth & ~said].sum() / false) / 2)


def ranks(values: Floats) -> NDArray[np.float64]:
    """Rank of each value from 1, equal ones sharing their mean rank; [cases]."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], dtype=np.float64)


def _levels(
    scores: Floats, truth: NDArray[np.bool_], weights: Floats | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weight of the true and of the false cases at every distinct score, lowest first."""
    w = np.ones(len(scores)) if weights is None else np.asarray(weights, dtype=np.float64)
    values, inverse = np.unique(scores, return_inverse=True)
    true = np.bincount(inverse, weights=w * truth, minlength=len(values))
    false = np.bincount(inverse, weights=w * ~truth, minlength=len(values))
    return np.asarray(true, dtype=np.float64), np.asarray(false, dtype=np.float64)
