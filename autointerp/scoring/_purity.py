"""Purity: are the texts on which the feature is strongest those of the concept? (FADE, 2025)"""

from __future__ import annotations

import numpy as np

from autointerp.programs import Predictor
from autointerp.records import Explanation, Score
from autointerp.scoring._bootstrap import Sample
from autointerp.scoring._detection import NEEDS_JUDGE
from autointerp.scoring._exam import Exam
from autointerp.scoring._judges import Judges
from autointerp.scoring._measures import average_precision
from autointerp.scoring._protocol import Controls, Graded, unscored
from autointerp.scoring._responsiveness import ALIKE, rated
from autointerp.scoring._words import SILENT, about_input

NAME = "purity"


class Purity:
    """Average precision of the strongest activation for texts that the judge finds the explanation to fit."""

    on_request = True

    def __call__(
        self, explanation: Explanation, exam: Exam, controls: Controls, predictor: Predictor, judges: Judges
    ) -> Graded:
        """As the protocol says. Controls: the share of fitting texts, which chance reaches; the matched random feature."""
        del controls, predictor
        if judges.judge is None:
            return unscored(NAME, NEEDS_JUDGE)
        if not (words := about_input(explanation)):
            return unscored(NAME, SILENT)
        chosen, fits = rated(judges.judge, words, exam)
        if fits.all() or not fits.any():
            return unscored(NAME, ALIKE)
        own, other = exam.activations[chosen].max(1), exam.matched_activations[chosen].max(1)
        sample = Sample(lambda w: average_precision(own, fits, w), exam.documents[chosen])
        control = {"chance": float(np.mean(fits)), "matched_random_feature": average_precision(other, fits)}
        ci = sample.interval(seed=exam.seed)
        return Graded(Score(name=NAME, value=sample.value(), ci=ci, n=len(chosen), control=control), sample=sample)
