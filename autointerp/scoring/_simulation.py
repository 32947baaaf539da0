"""Simulation: does the program know where the feature fires? (Bills et al. 2023)"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autointerp.programs import Predictor
from autointerp.records import Explanation, Score, Unscored
from autointerp.scoring._bootstrap import interval
from autointerp.scoring._exam import Exam
from autointerp.scoring._protocol import Controls, Graded

NAME = "simulation"

Floats = NDArray[np.float32] | NDArray[np.float64]


class Simulation:
    """Pearson correlation of predicted and true activations over all tokens of all texts, pooled."""

    def __call__(self, explanation: Explanation, exam: Exam, controls: Controls, predictor: Predictor) -> Graded:
        """As the protocol says. Controls: another feature's program, a matched random feature, and two token look-ups."""
        if explanation.predictor is None:
            return Graded(Unscored(name=NAME, reason="the explanation has no program"))
        predicted = exam.spread(predictor(explanation.predictor, exam.strings))
        sums = per_text_sums(predicted, exam.activations, exam.mask)
        value = correlation(sums.sum(0))
        if not np.isfinite(value):
            return Graded(Unscored(name=NAME, reason="the program predicts the same activation everywhere"))
        candidates = {
            "matched_random_feature": (predicted, exam.matched_activations),
            "token_table": (controls.token_table[exam.ids], exam.activations),
            "top_10_tokens": (controls.top_tokens[exam.ids], exam.activations),
        }
        shuffled = controls.shuffled_predictions(exam, predictor)
        if shuffled is not None:
            candidates["shuffled_explanation"] = (shuffled, exam.activations)
        control = {name: pooled_correlation(x, y, exam.mask) for name, (x, y) in candidates.items()}
        return Graded(
            Score(
                name=NAME,
                value=value,
                ci=interval(lambda w: correlation(w @ sums), exam.documents, seed=exam.seed),
                n=len(exam.ids),
                # Without variance there is no correlation: nothing was predicted, which is worth zero as a control.
                control={name: v if np.isfinite(v) else 0.0 for name, v in sorted(control.items())},
            )
        )


def pooled_correlation(x: Floats, y: Floats, mask: NDArray[np.bool_]) -> float:
    """Pearson correlation over all places where `mask` is True; NaN where one side is constant."""
    return correlation(per_text_sums(x, y, mask).sum(0))


def per_text_sums(x: Floats, y: Floats, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The six sums per text from which any weighted pooled correlation follows, [texts, 6]."""
    a, b, m = x.astype(np.float64) * mask, y.astype(np.float64) * mask, mask.astype(np.float64)
    return np.stack([m.sum(1), a.sum(1), b.sum(1), (a * a).sum(1), (b * b).sum(1), (a * b).sum(1)], axis=1)


def correlation(sums: NDArray[np.float64]) -> float:
    """Pearson correlation from count, Σx, Σy, Σx², Σy², Σxy."""
    n, x, y, xx, yy, xy = sums
    if n == 0:
        return float("nan")
    var_x, var_y, covariance = xx / n - (x / n) ** 2, yy / n - (y / n) ** 2, xy / n - (x / n) * (y / n)
    if var_x <= 1e-12 * max(xx / n, 1e-30) or var_y <= 1e-12 * max(yy / n, 1e-30):
        return float("nan")
    return float(covariance / np.sqrt(var_x * var_y))
