"""The investigation as a graph for somebody else's graph: features go in, explanations and records come out."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autointerp.agents import Limits, Listener, Notebook, Report, Steps, concluded, unheard
from autointerp.errors import InputError
from autointerp.models import Worker
from autointerp.programs import Predictor
from autointerp.study._ask import laboratory_of, models_of
from autointerp.study._bench import open_bench
from autointerp.study._investigate import Inquiry, case_of, record_of
from autointerp.study._open import Laboratory
from autointerp.study._runs import RunSettings

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph


def investigation_graph(
    *,
    laboratory: Laboratory | None = None,
    folder: Path | str | None = None,
    checkpointer: Any = None,
    listener: Listener = unheard,
    **settings: Any,
) -> CompiledStateGraph[Any, None, Any, Any]:
    """A compiled LangGraph that takes `{"feature": 1234}` and gives `explanation` and `record` as JSON values.

    It can be run by itself, streamed, drawn, or put into another graph as a node, whose state then has these keys. The model
    and the dictionary are opened when the first feature comes in.

    Parameters
    ----------
    laboratory: opened before; else `settings` say what to open.
    folder: where the notebooks of features are kept. A graph that is to go on in another process needs one.
    checkpointer: as `compile` takes it; None inherits that of the graph around it.
    listener: is told of steps, hypotheses, outcomes and verdicts.
    settings: those of `RunSettings` but for the strategy, which is `investigate`.

    Raises InputError for a setting that there is not.
    """
    from autointerp.agents import investigation

    unknown = settings.keys() - (
        RunSettings.model_fields.keys() - {"strategy", "feature", "id", "format", "autointerp"}
    )
    if unknown:
        raise InputError(f"no setting {', '.join(sorted(unknown))} of a graph: see the fields of RunSettings")
    asked = RunSettings(id="embedded", feature=0, **settings)
    hall = _Hall(asked, laboratory, Path(folder) if folder else None, listener)
    return investigation(hall.steps, hall.grade).compile(checkpointer=checkpointer)


@dataclass(eq=False)
class _Hall:
    """The features that are being investigated, each with what was opened for it."""

    asked: RunSettings
    laboratory: Laboratory | None
    folder: Path | None
    listener: Listener
    open: dict[int, tuple[Steps, Inquiry, ExitStack]] = field(default_factory=dict)

    def steps(self, feature: int) -> Steps:
        """The steps on a feature, which is opened where it is not."""
        if feature not in self.open:
            if self.laboratory is None:
                self.laboratory = laboratory_of(self.asked)
            laboratory = self.laboratory
            reference = laboratory.feature(feature)
            stack = ExitStack()
            predictor = stack.enter_context(Predictor())
            if laboratory.subject._worker is None:
                stack.enter_context(Worker(laboratory.subject))
            bench, gate = open_bench(laboratory, reference, predictor)
            notebook = Notebook(self._place(feature))
            stack.callback(notebook.close)
            limits = Limits.parse(self.asked.budget)
            models = models_of(self.asked, None, limits, self.listener) if self.asked.llm else None
            inquiry = Inquiry("investigate", limits, models, rounds=self.asked.rounds, tell=self.listener)
            self.open[feature] = Steps(case_of(inquiry, bench, gate, predictor, notebook)), inquiry, stack
        return self.open[feature][0]

    async def grade(self, state: Any) -> dict[str, Any]:
        """The last node: have the explanation graded, and close what was opened for the feature."""
        steps = self.steps(state["feature"])
        _, inquiry, stack = self.open[state["feature"]]
        report: Report = concluded(steps, state)
        assert self.laboratory is not None
        record = await asyncio.to_thread(record_of, self.laboratory, steps.case, report, inquiry)
        del self.open[state["feature"]]
        if inquiry.llms is not None:
            await inquiry.llms.aclose()
        await asyncio.to_thread(stack.close)
        return {"record": record.model_dump(mode="json")}

    def _place(self, feature: int) -> Path | None:
        if self.folder is None:
            return None
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / f"feature-{feature}.sqlite"
