"""Every task of the suite as a task of inspect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import inspect_ai
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.util import registry_info

from autointerp.eval._protocol import Allowance
from autointerp.eval.inspect._problems import Asked
from autointerp.eval.inspect._scoring import scorer_of
from autointerp.eval.inspect._solving import solver_of
from autointerp.eval.tasks import task_named, tasks

#: What names of tasks begin with.
_PACKAGE = "autointerp"


def inspect_tasks() -> dict[str, Callable[..., Any]]:
    """The tasks of the suite by name, those of plugins among them, each registered with inspect."""
    return {name: _registered(name) for name in tasks()}


def _registered(name: str) -> Callable[..., Any]:
    def made(
        agent: str = "offline", count: int = 6, seed: int = 0, seconds: float = 300.0, llm: str | None = None
    ) -> Any:
        allowance = Allowance(seconds=seconds)
        asked = Asked.make(task_named(name), seed, count, allowance)
        samples = [
            Sample(id=problem, input=_told(asked, problem), metadata={"kit": str(asked.kit(problem))})
            for problem in asked.questions
        ]
        return inspect_ai.Task(
            dataset=MemoryDataset(samples, name=name),
            solver=solver_of(asked, agent, llm),
            scorer=scorer_of(asked),
        )

    made.__name__ = made.__qualname__ = name
    made.__doc__ = tasks()[name].summary
    registered: Callable[..., Any] = inspect_ai.task(name=name)(made)
    if "/" not in registry_info(registered).name:
        # Inspect puts the name of the package before it, but does not know an editable install as a package.
        registered = inspect_ai.task(name=f"{_PACKAGE}/{name}")(made)
    return registered


def _told(asked: Asked, problem: str) -> str:
    """What a solver that is no agent of the suite has to know."""
    question = asked.questions[problem]
    return (
        f"{question.asks}\n\nThe files are in {asked.kit(problem)}. Answer with JSON of this schema:\n{question.answer}"
    )
