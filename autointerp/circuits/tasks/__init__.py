"""Tasks that are made from a seed under any model's tokenizer: one kind a file."""

from __future__ import annotations

from autointerp.circuits._task import Generator
from autointerp.circuits.tasks._brackets import BRACKETS
from autointerp.circuits.tasks._docstrings import DOCSTRINGS
from autointerp.circuits.tasks._greater import GREATER
from autointerp.circuits.tasks._indentation import INDENTATION
from autointerp.circuits.tasks._induction import INDUCTION
from autointerp.circuits.tasks._names import NAMES
from autointerp.circuits.tasks._objects import OBJECTS
from autointerp.circuits.tasks._quoting import QUOTING
from autointerp.errors import InputError

_KNOWN = (INDUCTION, BRACKETS, NAMES, INDENTATION, QUOTING, OBJECTS, GREATER, DOCSTRINGS)
TASKS: dict[str, Generator] = {generator.name: generator for generator in _KNOWN}

__all__ = ["TASKS", "generator_named"]


def generator_named(name: str) -> Generator:
    """A kind of task by its name. Raises InputError, which lists those there are."""
    if name not in TASKS:
        raise InputError(f"no task {name!r}: there are {', '.join(TASKS)}, or give a file of pairs ending in .jsonl")
    return TASKS[name]
