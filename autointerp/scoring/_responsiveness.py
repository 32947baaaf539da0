"""Responsiveness: is the feature stronger on natural texts in which a judge sees the concept? (FADE, 2025)"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autointerp.programs import Predictor
from autointerp.records import Explanation, Score
from autointerp.scoring._bootstrap import Sample
from autointerp.scoring._detection import NEEDS_JUDGE, TEMPLATE
from autointerp.scoring._exam import Exam
from autointerp.scoring._judges import Judge, Judges
from autointerp.scoring._measures import auroc
from autointerp.scoring._protocol import Controls, Graded, unscored
from autointerp.scoring._verdicts import verdicts
from autointerp.scoring._words import SILENT, about_input, balanced

NAME = "responsiveness"
ALIKE = "the judge says the same of all texts"


class Responsiveness:
    """2 AUROC - 1 of the strongest activation for texts that the judge finds the explanation to fit against the others."""

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
        chosen, fits = rated(judges.judge, words, exam)
        own, other = exam.activations[chosen].max(1), exam.matched_activations[chosen].max(1)
        sample = Sample(lambda w: 2 * auroc(own, fits, w) - 1, exam.documents[chosen])
        value = sample.value()
        if not np.isfinite(value):
            return unscored(NAME, ALIKE)
        control = {"matched_random_feature": 2 * auroc(other, fits) - 1}
        ci = sample.interval(seed=exam.seed)
        return Graded(Score(name=NAME, value=value, ci=ci, n=len(chosen), control=control), sample=sample)


def rated(judge: Judge, words: str, exam: Exam) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Texts of the exam, and whether the judge finds that the explanation fits them. The questions are those of detection."""
    chosen = balanced(exam)
    texts = [exam.text(i) for i in chosen]
    sure = verdicts(judge, TEMPLATE, words, texts, exam.truth[chosen], seed=exam.seed)
    return chosen, sure >= 0.5
