"""How a study says where it is."""

from __future__ import annotations

from collections.abc import Callable

#: Told the name of the step, and how much of how much is done where that is known.
Progress = Callable[[str, int | None, int | None], None]


def silent(step: str, done: int | None, total: int | None) -> None:
    """Say nothing."""
    del step, done, total
