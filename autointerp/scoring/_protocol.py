"""What a scorer is, what it is given beside the exam, and grading with all of them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from autointerp._plugins import load_all, load_one, plugin_names
from autointerp.errors import LLMError, ProgramError
from autointerp.programs import Predictor
from autointerp.records import Evidence, Explanation, Program, ScoreResult, Unscored
from autointerp.sandbox import Limits
from autointerp.scoring._bootstrap import Sample
from autointerp.scoring._exam import FEWEST, Exam
from autointerp.scoring._held_out import HeldOut
from autointerp.scoring._judges import Judges

GROUP = "autointerp.scorers"


@dataclass(frozen=True, slots=True, eq=False)
class Controls:
    """What every score is compared with, fitted on the train split.

    Attributes
    ----------
    shuffled: the program of another feature's explanation.
    token_table: mean activation by token id, [vocabulary], fitted on train; the global mean for tokens not seen there.
    top_tokens: the same for the ten tokens with the highest mean, zero elsewhere.
    prompts: ids [prompts, tokens] of the train split, all of one length, on which strengths of steering are set.
    other: another feature's explanation in words.
    """

    shuffled: Program | None
    token_table: NDArray[np.float32]
    top_tokens: NDArray[np.float32]
    prompts: NDArray[np.int32] | None = None
    other: str | None = None

    def shuffled_predictions(self, exam: HeldOut, predictor: Predictor) -> NDArray[np.float32] | None:
        """What the other feature's program predicts, [texts, length]; None where there is none or where that one fails."""
        if self.shuffled is None:
            return None
        try:
            return exam.spread(predictor(self.shuffled, exam.strings))
        except ProgramError:
            return None


@dataclass(frozen=True, slots=True)
class Graded:
    """A result, the predictions that were checked on the way, and what the value is computed from, for means over features."""

    result: ScoreResult
    evidence: tuple[Evidence, ...] = ()
    sample: Sample | None = None


class Scorer(Protocol):
    """One metric. Registered in the entry-point group `autointerp.scorers` under its name.

    A class with `on_request = True` is run only where its name is given: it needs somebody to ask, or many forward passes. One
    with `by_program = True` runs the explanation's program on the exam's texts, which is begun before its turn comes.
    """

    def __call__(
        self, explanation: Explanation, exam: Exam, controls: Controls, predictor: Predictor, judges: Judges
    ) -> Graded:
        """Score it. A value that cannot be computed is an `Unscored` with the reason, not an exception and not a number.

        ProgramError and LLMError may be raised: they become that.
        """
        ...


def grade(
    explanation: Explanation,
    exam: Exam,
    controls: Controls,
    *,
    metrics: Sequence[str] | None = None,
    judges: Judges | None = None,
) -> list[Graded]:
    """The scores of an explanation, in the order of their names: those that come of themselves, or those named."""
    if metrics is None:
        scorers = {name: found for name, found in load_all(GROUP).items() if not getattr(found, "on_request", False)}
    else:
        scorers = {name: load_one(GROUP, name) for name in metrics}
    results = []
    predictor = _Remembering()
    with predictor:
        if exam.active >= FEWEST and any(getattr(scorer, "by_program", False) for scorer in scorers.values()):
            for program in (explanation.predictor, controls.shuffled):
                if program is not None:
                    predictor.ahead(program, exam.strings)
        for name, scorer in scorers.items():
            if exam.active < FEWEST:
                reason = f"{exam.active} test texts activate the feature; at least {FEWEST} are needed"
                results.append(unscored(name, reason))
                continue
            try:
                results.append(scorer()(explanation, exam, controls, predictor, judges or Judges()))
            except ProgramError as error:
                results.append(unscored(name, f"the program failed: {error}"))
            except LLMError as error:
                results.append(unscored(name, f"the language model failed: {error}"))
    return results


class _Remembering(Predictor):
    """Runs a program on the same texts once, for the score and the control, and for all scorers that ask."""

    def __init__(self, limits: Limits | None = None) -> None:
        super().__init__(limits)
        self._worker = ThreadPoolExecutor(1)
        self._known: dict[tuple[str, int], Future[list[list[float]]]] = {}
        self._texts: list[Sequence[Sequence[str]]] = []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._worker.shutdown(cancel_futures=True)
        super().__exit__(kind, error, trace)

    def ahead(self, program: Program, texts: Sequence[Sequence[str]]) -> Future[list[list[float]]]:
        """Have a program run while the model is at something else: the sandbox is another process."""
        key = (program.source, id(texts))
        if key not in self._known:
            # Kept, so that no other object gets the same identity while it stands for these.
            self._texts.append(texts)
            self._known[key] = self._worker.submit(super().__call__, program, texts)
        return self._known[key]

    def __call__(self, program: Program, texts: Sequence[Sequence[str]]) -> list[list[float]]:
        """As `predict`; a program that failed fails again, and is not waited for again."""
        return self.ahead(program, texts).result()


def metric_names() -> list[str]:
    """Every registered scorer."""
    return plugin_names(GROUP)


def unscored(name: str, reason: str) -> Graded:
    """No number, and why; on one line."""
    return Graded(Unscored(name=name, reason=" ".join(reason.split())))
