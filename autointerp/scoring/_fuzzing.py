"""Fuzzing: can a judge tell from the explanation which tokens activate the feature? (Paulo et al. 2024)"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autointerp.programs import Predictor
from autointerp.records import Explanation
from autointerp.scoring._detection import NEEDS_JUDGE
from autointerp.scoring._exam import Exam
from autointerp.scoring._judges import Judges
from autointerp.scoring._protocol import Controls, Graded, unscored
from autointerp.scoring._separation import by_verdict
from autointerp.scoring._verdicts import verdicts
from autointerp.scoring._words import SILENT, about_input, balanced

NAME = "fuzzing"
TEMPLATE = "judge_fuzzing"
_SHARE = 0.3
_OPEN, _CLOSE = "<<", ">>"


class Fuzzing:
    """Balanced accuracy of a judge who says of every text whether the marked tokens are those that the explanation means.

    In activating texts the tokens above 0.3 of the text's maximum are marked; in the others as many at random places.
    """

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
        texts = marked_texts(exam, chosen)
        sure = verdicts(judges.judge, TEMPLATE, words, texts, truth, seed=exam.seed)
        return by_verdict(NAME, sure, truth, exam.documents[chosen], seed=exam.seed)


def marked_texts(exam: Exam, chosen: NDArray[np.int64]) -> list[str]:
    """The chosen texts of the exam with tokens marked: the n-th silent one as many as the n-th activating one."""
    random = np.random.default_rng([exam.seed, 8])
    loud = [i for i in chosen.tolist() if exam.truth[i]]
    counts: list[int] = []
    texts = {}
    for i in loud:
        row = exam.activations[i, 1 : exam.lengths[i]]
        places = np.flatnonzero(row > _SHARE * row.max())
        counts.append(len(places))
        texts[i] = marked(exam.strings[i], places)
    for number, i in enumerate(i for i in chosen.tolist() if not exam.truth[i]):
        length = len(exam.strings[i])
        count = min(length, counts[number % len(counts)])
        texts[i] = marked(exam.strings[i], random.choice(length, size=count, replace=False))
    return [texts[i] for i in chosen.tolist()]


def marked(tokens: tuple[str, ...], places: NDArray[np.int64]) -> str:
    """The text with <<these>> tokens marked, neighbours together."""
    inside = np.zeros(len(tokens) + 2, dtype=bool)
    inside[np.asarray(places, dtype=np.int64) + 1] = True
    parts = []
    for i, token in enumerate(tokens, 1):
        opened, closed = inside[i] and not inside[i - 1], inside[i] and not inside[i + 1]
        parts.append(f"{_OPEN if opened else ''}{token}{_CLOSE if closed else ''}")
    return "".join(parts)
