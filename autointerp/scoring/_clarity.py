"""Clarity: does the feature set texts of the concept apart from natural ones? (FADE, 2025)"""

from __future__ import annotations

import numpy as np

from autointerp.programs import Predictor
from autointerp.records import Explanation, Score
from autointerp.scoring._bootstrap import Sample
from autointerp.scoring._detection import NEEDS_JUDGE
from autointerp.scoring._exam import Exam
from autointerp.scoring._judges import Judges
from autointerp.scoring._measures import auroc
from autointerp.scoring._protocol import Controls, Graded, unscored
from autointerp.scoring._words import SILENT, about_input
from autointerp.scoring._written import strongest, written

NAME = "clarity"
#: Natural texts to compare with; more make the interval hardly narrower than the ten written ones leave it.
_NATURAL = 500


class Clarity:
    """2 AUROC - 1 of the strongest activation for texts written from the explanation against natural texts."""

    on_request = True

    def __call__(
        self, explanation: Explanation, exam: Exam, controls: Controls, predictor: Predictor, judges: Judges
    ) -> Graded:
        """As the protocol says. Control: the matched random feature on the same texts."""
        del controls, predictor
        if judges.judge is None:
            return unscored(NAME, NEEDS_JUDGE)
        if not (words := about_input(explanation)):
            return unscored(NAME, SILENT)
        own, other = strongest(exam, written(judges.judge, words))
        natural = exam.natural[:_NATURAL].astype(np.float64)
        values = np.concatenate([own, natural])
        truth = np.arange(len(values)) < len(own)
        sample = Sample(lambda w: 2 * auroc(values, truth, w) - 1, np.arange(len(values), dtype=np.int32))
        value = sample.value()
        if not np.isfinite(value):
            return unscored(NAME, "there are no natural texts to compare with")
        against = exam.matched_natural[:_NATURAL].astype(np.float64)
        null = np.arange(len(other) + len(against)) < len(other)
        control = {"matched_random_feature": 2 * auroc(np.concatenate([other, against]), null) - 1}
        shown = {name: v for name, v in control.items() if np.isfinite(v)}
        ci = sample.interval(seed=exam.seed)
        return Graded(Score(name=NAME, value=value, ci=ci, n=len(values), control=shown), sample=sample)
