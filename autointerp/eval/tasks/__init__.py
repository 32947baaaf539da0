"""The kinds of questions, one file each, registered under the entry-point group `autointerp.tasks`."""

from __future__ import annotations

from autointerp.eval.tasks._catalogue import TASKS, task_named, tasks

__all__ = ["TASKS", "task_named", "tasks"]
