"""The progress bar of all commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from autointerp.cli._interrupts import pressed


@contextmanager
def progress_bar(*, enabled: bool) -> Iterator[Callable[[str, int | None, int | None], None]]:
    """A function that is told the step, and how much of how much is done; draws on stderr, and only on a terminal."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not (enabled and console.is_terminal)) as bar:
        task = bar.add_task("starting", total=None)

        def progress(step: str, done: int | None, total: int | None) -> None:
            if pressed():
                raise KeyboardInterrupt  # a library swallowed it
            bar.update(task, description=step, completed=done or 0, total=total)

        yield progress
