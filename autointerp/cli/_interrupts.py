"""Ctrl-C. Libraries turn it into other exceptions or swallow it, so it is noted when it comes and looked up afterwards."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_noted: list[int] = []


def pressed() -> bool:
    """Whether Ctrl-C came since the command line began to run."""
    return bool(_noted)


@contextmanager
def noting_interrupts() -> Iterator[None]:
    """Note every Ctrl-C before it becomes a KeyboardInterrupt; where somebody else handles it, it stays theirs."""
    _noted.clear()
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _note(number: int, frame: FrameType | None) -> None:
    del frame
    _noted.append(number)
    raise KeyboardInterrupt
