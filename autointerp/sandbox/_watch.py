"""Ending a worker from beside, while the thread that waits for it is deaf: inside native code no Python runs.

Two things end a worker: its CPU time is spent, or a signal asks this process to end and its handler waits for the deaf
thread to come back. The watching thread sleeps until one of them can be the case.
"""

from __future__ import annotations

import math
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

from autointerp.sandbox._worker import Worker

_ENDING = (signal.SIGINT, signal.SIGTERM)
#: The shortest sleep: a worker that is about to spend its time is not asked more often than this.
_TICK = 0.002


@dataclass(eq=False, slots=True)
class Watched:
    """One run of a worker, and why it was ended from here, if it was."""

    worker: Worker
    until: float
    hears_signals: bool
    ended: Literal["time", "signal"] | None = None


class Watch:
    """A thread that watches over any number of workers, from when it is made until it is closed."""

    def __init__(self) -> None:
        self._ears, self._bell = socket.socketpair()
        self._bell.setblocking(False)
        self._lock = threading.Lock()
        self._runs: set[Watched] = set()
        self._wakes = math.inf
        self._forward: int = -1
        self._thread = threading.Thread(target=self._stand, name="autointerp-sandbox-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._bell.close()
        self._thread.join()
        self._ears.close()

    @contextmanager
    def over(self, worker: Worker, seconds: float) -> Iterator[Watched]:
        """Watch a worker in this block: it may use `seconds` of CPU time, and ends where a signal ends this process."""
        here = threading.current_thread() is threading.main_thread()
        run = Watched(worker, worker.seconds() + seconds, here)
        with self._lock:
            self._runs.add(run)
            late = time.monotonic() + seconds < self._wakes
        if late:
            self._ring()
        try:
            if here:
                with self._hearing():
                    yield run
            else:
                yield run
        finally:
            with self._lock:
                self._runs.discard(run)

    @contextmanager
    def _hearing(self) -> Iterator[None]:
        """Have every signal's number written to the bell when it arrives, long before its handler can run."""
        before = signal.set_wakeup_fd(self._bell.fileno(), warn_on_full_buffer=False)
        outer = self._forward
        # A function of the host may run code itself: then the bell that is there is this one.
        if before != self._bell.fileno():
            self._forward = before
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            self._forward = outer

    def _ring(self) -> None:
        with suppress(BlockingIOError):
            self._bell.send(b"\0")

    def _stand(self) -> None:
        while True:
            wait = self._end_overdue()
            self._ears.settimeout(wait)
            try:
                heard = self._ears.recv(64)
            except TimeoutError:
                continue
            if not heard:
                return
            self._hear([number for number in heard if number])

    def _end_overdue(self) -> float | None:
        """End the workers whose time is spent; the seconds until the next one's may be."""
        with self._lock:
            soonest = math.inf
            for run in list(self._runs):
                try:
                    left = run.until - run.worker.seconds()
                except OSError:
                    continue  # It has ended by itself.
                if left <= 0:
                    self._end(run, "time")
                else:
                    # A worker computes in one thread: so much CPU time takes at least as long by the clock.
                    soonest = min(soonest, max(left, _TICK))
            self._wakes = time.monotonic() + soonest
            return None if soonest == math.inf else soonest

    def _hear(self, numbers: list[int]) -> None:
        if not numbers:
            return
        with self._lock:
            if self._forward != -1:
                # An event loop had its own bell in this place.
                with suppress(OSError):
                    os.write(self._forward, bytes(numbers))
            if any(number in _ENDING and callable(signal.getsignal(number)) for number in numbers):
                for run in [run for run in self._runs if run.hears_signals]:
                    self._end(run, "signal")

    def _end(self, run: Watched, why: Literal["time", "signal"]) -> None:
        run.ended = why
        run.worker.kill()
        self._runs.discard(run)
