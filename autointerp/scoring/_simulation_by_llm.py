"""Simulation by a language model: do the words alone say where the feature fires? (Bills et al. 2023)"""

from __future__ import annotations

from autointerp.programs import Predictor
from autointerp.records import Explanation
from autointerp.scoring._exam import Exam
from autointerp.scoring._judges import Judges
from autointerp.scoring._protocol import Controls, Graded, unscored
from autointerp.scoring._simulated import simulated
from autointerp.scoring._simulation import correlated
from autointerp.scoring._words import SILENT, about_input

NAME = "simulation_by_llm"
NEEDS_SIMULATOR = "needs a simulator: --llm or --simulator openai:NAME or the like"


class SimulationByLLM:
    """Pearson correlation of a language model's predictions with the feature, over all tokens of all texts, pooled."""

    on_request = True

    def __call__(
        self, explanation: Explanation, exam: Exam, controls: Controls, predictor: Predictor, judges: Judges
    ) -> Graded:
        """As the protocol says. Controls: a matched random feature, and two token look-ups."""
        del predictor
        if judges.simulator is None:
            return unscored(NAME, NEEDS_SIMULATOR)
        if not (words := about_input(explanation)):
            return unscored(NAME, SILENT)
        predicted = simulated(judges.simulator, words, exam, range(len(exam.ids)))
        return correlated(NAME, predicted, exam, controls, {})
