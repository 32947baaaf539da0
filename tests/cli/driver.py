"""Runs the command line, and sends a signal to its own process group at a chosen moment.

    python driver.py SIGNAL MOMENT ARGUMENTS...

A moment is `import:MODULE`, when that module is first looked for, or `step:NAME:DONE:DELAY`, so many seconds after the
progress of a step came to DONE.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


def main() -> None:
    # A shell that runs its children in the background has them ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    number = signal.Signals[sys.argv[1]]
    kind, _, rest = sys.argv[2].partition(":")

    def fire() -> None:
        os.killpg(os.getpgrp(), number)

    if kind == "import":
        sys.meta_path.insert(0, Watching(rest, fire))
    else:
        name, done, delay = rest.split(":")
        watch_step(name, int(done), float(delay), fire)

    from autointerp.cli import main as command

    command(sys.argv[3:])


class Watching:
    """An import finder that finds nothing."""

    def __init__(self, name: str, fire: Callable[[], None]) -> None:
        self.name, self.fire = name, fire

    def find_spec(self, name: str, *ignored: Any) -> None:
        if name == self.name:
            self.name = ""
            self.fire()


def watch_step(name: str, at: int, delay: float, fire: Callable[[], None]) -> None:
    from autointerp.cli import _progress

    bar = _progress.progress_bar
    fired: list[str] = []

    @contextmanager
    def watched(**settings: Any) -> Iterator[Callable[[str, int | None, int | None], None]]:
        with bar(**settings) as progress:

            def told(step: str, done: int | None, total: int | None) -> None:
                progress(step, done, total)
                if step == name and (done or 0) >= at and not fired:
                    fired.append(step)
                    if delay:
                        threading.Timer(delay, fire).start()
                    else:
                        fire()

            yield told

    _progress.progress_bar = watched


if __name__ == "__main__":
    main()
