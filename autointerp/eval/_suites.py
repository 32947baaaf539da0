"""Which questions belong together: a suite that takes minutes, and one whose results are worth reporting."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from autointerp.errors import InputError
from autointerp.eval._runner import Batch
from autointerp.eval.tasks import task_named, tasks

#: Problems of each task, for each seed.
_PROBLEMS: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "quick": {"explain_feature": 3, "abstain": 4},
        "full": {"explain_feature": 34, "abstain": 24},
    }
)
#: Of a task that a suite does not name, so many.
_OTHERWISE = {"quick": 2, "full": 10}


def suites() -> dict[str, dict[str, int]]:
    """Every suite: how many problems of each task."""
    return {name: {task: of.get(task, _OTHERWISE[name]) for task in tasks()} for name, of in _PROBLEMS.items()}


def batches_of(suite: str, seeds: list[int], only: list[str] | None = None) -> list[Batch]:
    """The problems of a suite from each seed, of all tasks or of some.

    Raises InputError for an unknown suite or task, and for a seed that is there twice.
    """
    known = suites()
    if suite not in known:
        raise InputError(f"no suite {suite!r}: there are {', '.join(known)}")
    if len(set(seeds)) < len(seeds):
        raise InputError(
            f"seed {next(s for s in seeds if seeds.count(s) > 1)} is given twice: the same problems twice say no more"
        )
    chosen = [task_named(name) for name in (only or list(known[suite]))]
    return [Batch(task, seed, known[suite][task.name]) for task in chosen for seed in seeds]
