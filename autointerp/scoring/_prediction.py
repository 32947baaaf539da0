"""Prediction: the correlation on activating texts alone, as others report it (SAGE, 2025)."""

from __future__ import annotations

import numpy as np

from autointerp.programs import Predictor
from autointerp.records import Explanation, Score
from autointerp.scoring._bootstrap import Sample
from autointerp.scoring._exam import Exam
from autointerp.scoring._judges import Judges
from autointerp.scoring._protocol import Controls, Graded, unscored
from autointerp.scoring._simulated import simulated
from autointerp.scoring._simulation import correlation, per_text_sums, pooled_correlation
from autointerp.scoring._simulation_by_llm import NEEDS_SIMULATOR
from autointerp.scoring._words import SILENT, about_input

NAME = "prediction"


class Prediction:
    """Pearson correlation over the tokens of the activating texts, pooled. What is wrongly called active goes unseen.

    The predictions are the program's, or a language model's where the explanation has no program.
    """

    on_request = True
    by_program = True

    def __call__(
        self, explanation: Explanation, exam: Exam, controls: Controls, predictor: Predictor, judges: Judges
    ) -> Graded:
        """As the protocol says. Control: the token table on the same texts."""
        loud = slice(exam.active)
        if explanation.predictor is not None:
            predicted = exam.spread(predictor(explanation.predictor, exam.strings))[loud]
        elif judges.simulator is None:
            return unscored(NAME, f"the explanation has no program: {NEEDS_SIMULATOR}")
        elif words := about_input(explanation):
            predicted = simulated(judges.simulator, words, exam, range(exam.active))
        else:
            return unscored(NAME, SILENT)
        true, mask = exam.activations[loud], exam.mask[loud]
        sums = per_text_sums(predicted, true, mask)
        sample = Sample(lambda w: correlation(w @ sums), exam.documents[loud])
        value = sample.value()
        if not np.isfinite(value):
            return unscored(NAME, "the predictions are the same activation everywhere")
        table = pooled_correlation(controls.token_table[exam.ids[loud]], true, mask)
        control = {"token_table": table if np.isfinite(table) else 0.0}
        ci = sample.interval(seed=exam.seed)
        return Graded(Score(name=NAME, value=value, ci=ci, n=exam.active, control=control), sample=sample)
