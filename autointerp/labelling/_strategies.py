"""Stages that ask a language model: any registered strategy, on many features at a time, with one model and one budget."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from autointerp._plugins import load_one
from autointerp.agents import Case, Limits, LLMScientist, Meter, Notebook, Report
from autointerp.errors import BudgetError
from autointerp.labelling._label import Attempt
from autointerp.models import Worker
from autointerp.programs import Predictor
from autointerp.records import Cost
from autointerp.study import STRATEGIES, Laboratory, open_bench

if TYPE_CHECKING:
    from autointerp.llm import LLM


#: Sandboxes of one stage. What runs in them is short; more would keep a small machine from its other work.
_SANDBOXES = 2


class Asking:
    """A strategy of the agents, such as `oneshot` or `investigate`, as a stage. A context manager.

    One worker owns the model and joins the forward passes of all features under way; the language model's cache answers what
    was paid for before a kill.
    """

    def __init__(
        self,
        strategy: str,
        laboratory: Laboratory,
        llm: LLM,
        *,
        limits: Limits | None = None,
        rounds: int = 3,
        folder: Path | None = None,
        effects: bool = True,
    ) -> None:
        """Look the strategy up.

        Parameters
        ----------
        strategy: its name in the entry-point group `autointerp.strategies`; the stage's name too.
        llm: the language model, with the budget of the whole run.
        limits: of each feature, beside that budget.
        folder: where each feature's notebook is kept while it is under way, so that a killed investigation goes on with its
            finished experiments; None keeps them in memory.
        effects: whether the model is told what ablating and steering did, which takes a few forward passes a feature. Without,
            an answer that is asked for once takes none.

        Raises PluginError for an unknown strategy.
        """
        self.name = strategy
        self._kind = load_one(STRATEGIES, strategy)
        self._laboratory, self._llm = laboratory, llm
        self._limits, self._rounds, self._folder, self._effects = limits or Limits(), rounds, folder, effects
        self._held = ExitStack()
        #: Sandboxes are shared: opening one takes longer than most programs.
        self._sandboxes = [(Predictor(), threading.Lock()) for _ in range(_SANDBOXES)]

    def __enter__(self) -> Asking:
        if self._laboratory.subject._worker is None:
            self._held.enter_context(Worker(self._laboratory.subject))
        for predictor, _ in self._sandboxes:
            self._held.enter_context(predictor)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    async def attempt(self, feature: int, before: Sequence[Attempt]) -> Attempt:
        """As the protocol says. Raises LLMError where the model cannot be asked."""
        del before
        began = time.monotonic()
        counted = _Counted(self._llm)
        llm = cast("LLM", counted)
        with ExitStack() as stack:
            predictor, lock = self._sandboxes[feature % _SANDBOXES]
            bench, asked = open_bench(self._laboratory, self._laboratory.feature(feature), predictor)
            gate = cache(asked)
            notebook = Notebook(self._notebook(feature))
            stack.callback(notebook.close)
            case = Case(
                bench=bench,
                gate=gate,
                predictor=predictor,
                scientist=LLMScientist(llm),
                notebook=notebook,
                meter=Meter(notebook, self._limits),
                llm=llm,
                rounds=self._rounds,
                effects=self._effects,
                sandbox_lock=lock,
            )
            report: Report = await self._kind().run(case)
            refine = await asyncio.to_thread(_refined, case, report)
            own = notebook.spent().forward_passes
        # A strategy hands in what it has when the money is gone; without an answer there is nothing to compare.
        if counted.refused is not None and report.explanation.predictor is None:
            raise counted.refused
        return Attempt(
            stage=self.name,
            explanation=report.explanation,
            refine=refine,
            evidence=report.evidence,
            cost=Cost(
                seconds=time.monotonic() - began,
                # As the notebook counts them: the model's own count has those of all features that were under way.
                forward_passes=own,
                dollars=counted.dollars,
            ),
        )

    def _notebook(self, feature: int) -> Path | None:
        if self._folder is None:
            return None
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder / f"{self.name}-{feature}.sqlite"


def _refined(case: Case, report: Report) -> float | None:
    program = report.explanation.predictor
    if program is None:
        return None
    with case.sandbox_lock:
        return case.gate(program)


class _Counted:
    """A language model as it is, that remembers what one feature cost and whether the budget refused it anything."""

    def __init__(self, llm: LLM) -> None:
        self._llm = llm
        self.dollars = 0.0
        self.refused: BudgetError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._llm, name)

    async def ask(self, request: Any, **options: Any) -> Any:
        """As `LLM.ask`."""
        try:
            reply = await self._llm.ask(request, **options)
        except BudgetError as error:
            self.refused = error
            raise
        self.dollars += reply.dollars or 0.0
        return reply
