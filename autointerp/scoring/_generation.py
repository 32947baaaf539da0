"""Generation: do texts written from the explanation activate the feature? (SAGE, 2025)"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autointerp.programs import Predictor
from autointerp.records import Explanation, Score
from autointerp.scoring._bootstrap import Sample
from autointerp.scoring._detection import NEEDS_JUDGE
from autointerp.scoring._exam import Exam
from autointerp.scoring._judges import Judges
from autointerp.scoring._protocol import Controls, Graded, unscored
from autointerp.scoring._words import SILENT, about_input
from autointerp.scoring._written import strongest, written

NAME = "generation"
_TOP = 10


class Generation:
    """Share of ten texts written from the explanation that activate the feature at half the mean of its top ten or more."""

    on_request = True

    def __call__(
        self, explanation: Explanation, exam: Exam, controls: Controls, predictor: Predictor, judges: Judges
    ) -> Graded:
        """As the protocol says. Control: the matched random feature on the same texts, by its own top ten."""
        del controls, predictor
        if judges.judge is None:
            return unscored(NAME, NEEDS_JUDGE)
        if not (words := about_input(explanation)):
            return unscored(NAME, SILENT)
        if not (exam.natural > 0).any():
            return unscored(NAME, "no natural text activates the feature, so that there is no threshold")
        own, other = strongest(exam, written(judges.judge, words))
        hits = reaches(own, exam.natural)
        sample = Sample(lambda w: float(w @ hits / w.sum()), np.arange(len(hits), dtype=np.int32))
        control = {}
        if (exam.matched_natural > 0).any():
            control["matched_random_feature"] = float(reaches(other, exam.matched_natural).mean())
        ci = sample.interval(seed=exam.seed)
        return Graded(Score(name=NAME, value=sample.value(), ci=ci, n=len(hits), control=control), sample=sample)


def reaches(maxima: NDArray[np.float64], natural: NDArray[np.float32]) -> NDArray[np.float64]:
    """1 for every written text whose maximum is at least half the mean of the ten largest natural maxima."""
    top = np.sort(natural)[-_TOP:].astype(np.float64)
    return np.asarray(maxima >= top.mean() / 2, dtype=np.float64)
