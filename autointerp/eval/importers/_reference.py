"""A published truth, and how much of an answer agrees with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autointerp.errors import InputError
from autointerp.eval._answers import Answer, CircuitAnswer, PredictionsAnswer
from autointerp.eval._protocol import Grade
from autointerp.eval.tasks._ranking import area

_ENOUGH = 0.8


@dataclass(frozen=True)
class Reference:
    """What a file says is true.

    Attributes
    ----------
    name: that of the case in the benchmark.
    asks: what is asked, in words.
    truth: the published truth as an answer of the suite.
    inputs: what predictions are about.
    notes: what is said about each component.
    """

    name: str
    asks: str
    truth: CircuitAnswer | PredictionsAnswer
    inputs: tuple[str, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()

    def grade(self, answer: Answer, pairs: Sequence[str] = ()) -> Grade:
        """The share of roles, the area under the ROC curve over edges, or the share of outputs that agree.

        `pairs` are all edges that there could be; without them an answer about edges is graded over those of the truth and its
        own. Raises InputError for an answer of another kind.
        """
        if not isinstance(answer, type(self.truth)):
            raise InputError(f"{self.name} is answered by a {type(self.truth).__name__}, not a {type(answer).__name__}")
        parts: dict[str, float] = {}
        if isinstance(self.truth, PredictionsAnswer):
            assert isinstance(answer, PredictionsAnswer)
            given = [*answer.outputs, *[()] * len(self.truth.outputs)]
            parts["outputs"] = float(np.mean([a == b for a, b in zip(self.truth.outputs, given, strict=False)]))
        else:
            assert isinstance(answer, CircuitAnswer)
            parts = self._circuit(self.truth, answer, pairs)
        score = float(np.mean(list(parts.values())))
        return Grade(score=score, success=score >= _ENOUGH, parts=parts, confidence=answer.confidence)

    @staticmethod
    def _circuit(truth: CircuitAnswer, answer: CircuitAnswer, pairs: Sequence[str]) -> dict[str, float]:
        parts = {}
        if truth.roles:
            right = [answer.roles.get(name, "").casefold() == role.casefold() for name, role in truth.roles.items()]
            parts["role accuracy"] = float(np.mean(right))
        if truth.edges:
            names = sorted({*truth.edges, *answer.edges, *pairs})
            # Where all edges are the truth's there is nothing to rank: what counts is which of them are there.
            alone = len(names) == len(truth.edges)
            parts["edges" if alone else "edge AUROC"] = (
                float(np.mean([edge in answer.edges for edge in names]))
                if alone
                else area(answer.edges, truth.edges, names)
            )
        return parts
