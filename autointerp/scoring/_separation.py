"""Scores that say how well one number for each text tells the activating texts from the others."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from autointerp.records import Score
from autointerp.scoring._bootstrap import Sample
from autointerp.scoring._measures import auroc, balanced_accuracy
from autointerp.scoring._protocol import Graded, unscored

Floats = NDArray[np.float64]


def by_auroc(
    name: str,
    values: Floats,
    truth: NDArray[np.bool_],
    documents: NDArray[np.int32],
    *,
    seed: int,
    control: Mapping[str, float] | None = None,
) -> Graded:
    """AUROC of `values` for `truth`; all [texts]. Unscored where the values are all alike."""
    if not np.isfinite(values).all():
        return unscored(name, "a value is no finite number")
    if len(np.unique(values)) < 2:
        return unscored(name, "every text gets the same value")
    sample = Sample(lambda w: auroc(values, truth, w), documents)
    value = sample.value()
    if not np.isfinite(value):
        return unscored(name, "all texts are of one kind: activating ones and others are needed")
    ci = sample.interval(seed=seed)
    score = Score(name=name, value=value, ci=ci, n=len(values), control={"chance": 0.5} | dict(control or {}))
    return Graded(score, sample=sample)


def by_verdict(
    name: str,
    sure: Floats,
    truth: NDArray[np.bool_],
    documents: NDArray[np.int32],
    *,
    seed: int,
    control: Mapping[str, float] | None = None,
) -> Graded:
    """Balanced accuracy of the verdicts sure >= 0.5, with AUROC, TPR and TNR beside it; all [texts].

    A judge that says the same of all texts has told something: that it cannot tell them apart, which is worth 0.5.
    """
    said = sure >= 0.5
    sample = Sample(lambda w: balanced_accuracy(said, truth, w), documents)
    value = sample.value()
    if not np.isfinite(value):
        return unscored(name, "all texts are of one kind: activating ones and others are needed")
    also = {"auroc": auroc(sure, truth), "tpr": float(said[truth].mean()), "tnr": float((~said[~truth]).mean())}
    ci = sample.interval(seed=seed)
    shown = {"chance": 0.5} | dict(control or {})
    return Graded(Score(name=name, value=value, ci=ci, n=len(sure), control=shown, also=also), sample=sample)
