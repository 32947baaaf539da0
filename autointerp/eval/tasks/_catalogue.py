"""Which tasks there are."""

from __future__ import annotations

from functools import cache

from autointerp._plugins import load_one, plugin_names
from autointerp.errors import InputError
from autointerp.eval._protocol import Task

TASKS = "autointerp.tasks"


def tasks() -> dict[str, Task]:
    """Every task by name. Raises PluginError where one cannot be loaded."""
    return {name: _made(name) for name in plugin_names(TASKS)}


def task_named(name: str) -> Task:
    """One task. Raises InputError for an unknown name, with those that there are."""
    if name not in plugin_names(TASKS):
        raise InputError(f"no task {name!r}: there are {', '.join(plugin_names(TASKS))}")
    return _made(name)


@cache
def _made(name: str) -> Task:
    task: Task = load_one(TASKS, name)()
    return task
