"""What a scorer is, what it is given beside the exam, and grading with all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from autointerp._plugins import load_all, load_one
from autointerp.errors import ProgramError
from autointerp.programs import Predictor
from autointerp.records import Evidence, Explanation, Program, ScoreResult, Unscored
from autointerp.scoring._exam import FEWEST, Exam

GROUP = "autointerp.scorers"


@dataclass(frozen=True, slots=True, eq=False)
class Controls:
    """What every score is compared with, fitted on the train split.

    Attributes
    ----------
    shuffled: the program of another feature's explanation.
    token_table: mean activation by token id, [vocabulary], fitted on train; the global mean for tokens not seen there.
    top_tokens: the same for the ten tokens with the highest mean, zero elsewhere.
    """

    shuffled: Program | None
    token_table: NDArray[np.float32]
    top_tokens: NDArray[np.float32]

    def shuffled_predictions(self, exam: Exam, predictor: Predictor) -> NDArray[np.float32] | None:
        """What the other feature's program predicts, [texts, length]; None where there is none or where that one fails."""
        if self.shuffled is None:
            return None
        try:
            return exam.spread(predictor(self.shuffled, exam.strings))
        except ProgramError:
            return None


@dataclass(frozen=True, slots=True)
class Graded:
    """A result, and the predictions that were checked on the way."""

    result: ScoreResult
    evidence: tuple[Evidence, ...] = ()


class Scorer(Protocol):
    """One metric. Registered in the entry-point group `autointerp.scorers` under its name."""

    def __call__(self, explanation: Explanation, exam: Exam, controls: Controls, predictor: Predictor) -> Graded:
        """Score it. A value that cannot be computed is an `Unscored` with the reason, not an exception and not a number."""
        ...


def grade(
    explanation: Explanation, exam: Exam, controls: Controls, *, metrics: Sequence[str] | None = None
) -> list[Graded]:
    """Every registered score of an explanation, or those named, in the order of their names."""
    scorers = load_all(GROUP) if metrics is None else {name: load_one(GROUP, name) for name in metrics}
    results = []
    with Predictor() as predictor:
        for name, scorer in scorers.items():
            if exam.active < FEWEST:
                reason = f"{exam.active} test texts activate the feature; at least {FEWEST} are needed"
                results.append(Graded(Unscored(name=name, reason=reason)))
                continue
            try:
                results.append(scorer()(explanation, exam, controls, predictor))
            except ProgramError as error:
                results.append(Graded(Unscored(name=name, reason=f"the program failed: {error}")))
    return results
