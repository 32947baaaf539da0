"""Which tasks there are."""

from __future__ import annotations

from functools import cache

from autointerp._plugins import load_all
from autointerp.errors import InputError
from autointerp.eval._protocol import Task

TASKS = "autointerp.tasks"


@cache
def tasks() -> dict[str, Task]:
    """Every task by name. Raises PluginError where one cannot be loaded."""
    return {name: made() for name, made in load_all(TASKS).items()}


def task_named(name: str) -> Task:
    """One task. Raises InputError for an unknown name, with those that there are."""
    known = tasks()
    if name not in known:
        raise InputError(f"no task {name!r}: there are {', '.join(known)}")
    return known[name]
