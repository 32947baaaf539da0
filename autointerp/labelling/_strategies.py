"""Stages that ask a language model: any registered strategy, on many features at a time, with one model and one budget."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from autointerp._plugins import load_one
from autointerp.agents import Case, Limits, LLMScientist, Meter, Notebook, Report
from autointerp.errors import BudgetError
from autointerp.labelling._label import Attempt
from autointerp.models import Usage, Worker
from autointerp.programs import Predictor
from autointerp.records import Cost
from autointerp.study import STRATEGIES, Laboratory, open_bench

if TYPE_CHECKING:
    from autointerp.llm import LLM


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
    ) -> None:
        """Look the strategy up.

        Parameters
        ----------
        strategy: its name in the entry-point group `autointerp.strategies`; the stage's name too.
        llm: the language model, with the budget of the whole run.
        limits: of each feature, beside that budget.
        folder: where each feature's notebook is kept while it is under way, so that a killed investigation goes on with its
            finished experiments; None keeps them in memory.

        Raises PluginError for an unknown strategy.
        """
        self.name = strategy
        self._kind = load_one(STRATEGIES, strategy)
        self._laboratory, self._llm = laboratory, llm
        self._limits, self._rounds, self._folder = limits or Limits(), rounds, folder
        self._held = ExitStack()

    def __enter__(self) -> Asking:
        if self._laboratory.subject._worker is None:
            self._held.enter_context(Worker(self._laboratory.subject))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    async def attempt(self, feature: int, before: Sequence[Attempt]) -> Attempt:
        """As the protocol says. Raises LLMError where the model cannot be asked."""
        del before
        began, usage = time.monotonic(), self._laboratory.subject.usage
        passes = Usage(usage.forward_passes, usage.tokens)
        counted = _Counted(self._llm)
        llm = cast("LLM", counted)
        with ExitStack() as stack:
            predictor = stack.enter_context(Predictor())
            bench, gate = open_bench(self._laboratory, self._laboratory.feature(feature), predictor)
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
            )
            report: Report = await self._kind().run(case)
            program = report.explanation.predictor
            refine = None if program is None else gate(program)
            own = notebook.spent().forward_passes
        # A strategy hands in what it has when the money is gone; without an answer there is nothing to compare.
        if counted.refused is not None and program is None:
            raise counted.refused
        return Attempt(
            stage=self.name,
            explanation=report.explanation,
            refine=refine,
            evidence=report.evidence,
            cost=Cost(
                seconds=time.monotonic() - began,
                # Those of one feature where its notebook counts them, else of all that were under way meanwhile.
                forward_passes=own or usage.forward_passes - passes.forward_passes,
                dollars=counted.dollars,
            ),
        )

    def _notebook(self, feature: int) -> Path | None:
        if self._folder is None:
            return None
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder / f"{self.name}-{feature}.sqlite"


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
