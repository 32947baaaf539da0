"""Simulation: does the program know where the feature fires? (Bills et al. 2023)"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from autointerp.programs import Predictor
from autointerp.records import Explanation, Score, Unscored
from autointerp.scoring._bootstrap import Sample
from autointerp.scoring._exam import Exam
from autointerp.scoring._held_out import HeldOut
from autointerp.scoring._judges import Judges
from autointerp.scoring._measures import ranks
from autointerp.scoring._protocol import Controls, Graded, unscored

NAME = "simulation"
SHUFFLED = "shuffled_explanation"

Floats = NDArray[np.float32] | NDArray[np.float64]


class Simulation:
    """Pearson correlation of predicted and true activations over all tokens of all texts, pooled.

    Correlation forgives a wrong scale, so 1 - MSE/Var stands beside it, and the correlation of ranks, which forgives more.
    """

    by_program = True

    def __call__(
        self, explanation: Explanation, exam: Exam, controls: Controls, predictor: Predictor, judges: Judges
    ) -> Graded:
        """As the protocol says. Controls: another feature's program, a matched random feature, and two token look-ups."""
        del judges
        return simulated(explanation, exam, controls, predictor)


def simulated(explanation: Explanation, exam: HeldOut, controls: Controls, predictor: Predictor) -> Graded:
    """The score from the texts alone: it needs no network. Raises ProgramError where the program fails."""
    if explanation.predictor is None:
        return Graded(Unscored(name=NAME, reason="the explanation has no program"))
    predicted = exam.spread(predictor(explanation.predictor, exam.strings))
    others = {} if (found := controls.shuffled_predictions(exam, predictor)) is None else {SHUFFLED: found}
    return correlated(NAME, predicted, exam, controls, others)


def correlated(
    name: str,
    predicted: NDArray[np.float32],
    exam: HeldOut,
    controls: Controls,
    others: Mapping[str, NDArray[np.float32]],
) -> Graded:
    """Pooled correlation of predictions [texts, length] with the feature, beside those of its controls.

    `others` are predictions that are compared with the feature too, by name.
    """
    sums = per_text_sums(predicted, exam.activations, exam.mask)
    sample = Sample(lambda w: correlation(w @ sums), exam.documents)
    value = sample.value()
    if not np.isfinite(value):
        return unscored(name, "the predictions are the same activation everywhere")
    candidates = {
        "matched_random_feature": (predicted, exam.matched_activations),
        "token_table": (controls.token_table[exam.ids], exam.activations),
        "top_10_tokens": (controls.top_tokens[exam.ids], exam.activations),
    } | {key: (other, exam.activations) for key, other in others.items()}
    control = {key: pooled_correlation(x, y, exam.mask) for key, (x, y) in candidates.items()}
    score = Score(
        name=name,
        value=value,
        ci=sample.interval(seed=exam.seed),
        n=len(exam.ids),
        # Without variance there is no correlation: nothing was predicted, which is worth zero as a control.
        control={key: v if np.isfinite(v) else 0.0 for key, v in sorted(control.items())},
        also=agreement(predicted, exam.activations, exam.mask),
    )
    return Graded(score, sample=sample)


def agreement(x: Floats, y: Floats, mask: NDArray[np.bool_]) -> dict[str, float]:
    """What correlation leaves out: 1 - MSE/Var of predictions x of y, and the correlation of ranks; what is defined of it."""
    predicted, true = x[mask].astype(np.float64), y[mask].astype(np.float64)
    variance = true.var() if len(true) else 0.0
    figures = {
        "explained_variance": 1 - float(((predicted - true) ** 2).mean() / variance) if variance > 0 else float("nan"),
        "rank_correlation": correlation(
            per_text_sums(ranks(predicted)[None], ranks(true)[None], np.ones((1, len(true)), dtype=bool)).sum(0)
        ),
    }
    return {name: value for name, value in figures.items() if np.isfinite(value)}


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
