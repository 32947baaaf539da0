"""Detection: can a judge tell from the explanation which texts activate the feature? (Paulo et al. 2024)"""

from __future__ import annotations

from autointerp.programs import Predictor
from autointerp.records import Explanation
from autointerp.scoring._exam import Exam
from autointerp.scoring._judges import Judges
from autointerp.scoring._protocol import Controls, Graded, unscored
from autointerp.scoring._separation import by_verdict
from autointerp.scoring._verdicts import verdicts
from autointerp.scoring._words import SILENT, about_input, balanced

NAME = "detection"
TEMPLATE = "judge_detection"
NEEDS_JUDGE = "needs a judge: --llm openai:NAME or the like"


class Detection:
    """Balanced accuracy of a judge who says of every text whether the explanation fits it."""

    on_request = True

    def __call__(
        self, explanation: Explanation, exam: Exam, controls: Controls, predictor: Predictor, judges: Judges
    ) -> Graded:
        """As the protocol says. Control: chance."""
        del controls, predictor
        if judges.judge is None:
            return unscored(NAME, NEEDS_JUDGE)
        if not (words := about_input(explanation)):
            return unscored(NAME, SILENT)
        chosen = balanced(exam)
        truth = exam.truth[chosen]
        texts = [exam.text(i) for i in chosen]
        sure = verdicts(judges.judge, TEMPLATE, words, texts, truth, seed=exam.seed)
        return by_verdict(NAME, sure, truth, exam.documents[chosen], seed=exam.seed)
