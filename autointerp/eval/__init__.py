"""What this package is measured by: networks whose truth is known, and the tasks made from them.

This room stands above all that investigates, and nothing that investigates knows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autointerp.eval._answers import (
    Answer,
    BehaviourAnswer,
    CircuitAnswer,
    ComponentsAnswer,
    FeatureAnswer,
    PredictionsAnswer,
    RepairAnswer,
    TriggerAnswer,
)
from autointerp.eval._budget import budgets_of
from autointerp.eval._leaderboard import write_leaderboard
from autointerp.eval._protocol import Agent, Allowance, Grade, Problem, Question, Task
from autointerp.eval._report import figures_of, markdown_of, table_of
from autointerp.eval._results import Result, ResultStore
from autointerp.eval._runner import Batch, Entry, run_suite
from autointerp.eval._suites import batches_of, suites
from autointerp.eval.agents import agent_named, agents
from autointerp.eval.tasks import task_named, tasks

if TYPE_CHECKING:
    from autointerp.eval.organisms import list_organisms, make_organism

__all__ = [
    "Agent",
    "Allowance",
    "Answer",
    "Batch",
    "BehaviourAnswer",
    "CircuitAnswer",
    "ComponentsAnswer",
    "Entry",
    "FeatureAnswer",
    "Grade",
    "PredictionsAnswer",
    "Problem",
    "Question",
    "RepairAnswer",
    "Result",
    "ResultStore",
    "Task",
    "TriggerAnswer",
    "agent_named",
    "agents",
    "batches_of",
    "budgets_of",
    "figures_of",
    "list_organisms",
    "make_organism",
    "markdown_of",
    "run_suite",
    "suites",
    "table_of",
    "task_named",
    "tasks",
    "write_leaderboard",
]

#: What needs torch, and is looked up at its first use: an agent's process that needs none starts without.
_LATER = ("list_organisms", "make_organism")


def __getattr__(name: str) -> Any:
    if name in _LATER:
        from autointerp.eval import organisms

        return getattr(organisms, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
