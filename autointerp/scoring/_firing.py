"""Firing: does the program rank the places where the feature is active above the others, whatever the scale?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autointerp.programs import Predictor
from autointerp.records import Explanation, Score
from autointerp.scoring._bootstrap import Sample
from autointerp.scoring._exam import Exam
from autointerp.scoring._judges import Judges
from autointerp.scoring._measures import auroc, average_precision, balanced_accuracy
from autointerp.scoring._protocol import Controls, Graded, unscored

NAME = "firing"


class Firing:
    """AUROC of predicted activations for the tokens at which the feature is active.

    Average precision stands beside it, which false alarms on rare features cost more, and the balanced accuracy of predicting
    anything above zero.
    """

    on_request = True
    by_program = True

    def __call__(
        self, explanation: Explanation, exam: Exam, controls: Controls, predictor: Predictor, judges: Judges
    ) -> Graded:
        """As the protocol says. Controls: chance, the token table, another feature's program."""
        del judges
        if explanation.predictor is None:
            return unscored(NAME, "the explanation has no program")
        predicted = exam.spread(predictor(explanation.predictor, exam.strings))
        mask = exam.mask
        truth, values = exam.activations[mask] > 0, predicted[mask]
        if len(np.unique(values)) < 2:
            return unscored(NAME, "the predictions are the same activation everywhere")
        owner = np.broadcast_to(np.arange(len(mask))[:, None], mask.shape)[mask]
        sample = Sample(lambda w: auroc(values, truth, w[owner]), exam.documents)
        value = sample.value()
        if not np.isfinite(value):
            return unscored(NAME, "the feature is active at every place or at none")

        def of(other: NDArray[np.float32]) -> float:
            return auroc(other[mask], truth)

        control = {"chance": 0.5, "token_table": of(controls.token_table[exam.ids])}
        shuffled = controls.shuffled_predictions(exam, predictor)
        if shuffled is not None:
            control["shuffled_explanation"] = of(shuffled)
        also = {
            "average_precision": average_precision(values, truth),
            "balanced_accuracy": balanced_accuracy(values > 0, truth),
        }
        ci = sample.interval(seed=exam.seed)
        return Graded(Score(name=NAME, value=value, ci=ci, n=len(mask), control=control, also=also), sample=sample)
