"""The model, the dictionary and the index of a server: opened once, in a thread, while the server already answers."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from autointerp.errors import Adapt
from autointerp.mcp._settings import Settings
from autointerp.models import Worker
from autointerp.study import Laboratory, open_laboratory

#: Seconds that a call waits for a laboratory that is being opened. Hosts give up on a call after 60.
PATIENCE: Final = 40.0
#: Seconds between two looks at what threads do.
GLANCE: Final = 0.1

#: Told how far something is: how much of how much, where that is known, and the step.
Tell = Callable[[float, float | None, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Step:
    """Where a long piece of work is."""

    name: str
    done: int | None = None
    total: int | None = None

    def __str__(self) -> str:
        return self.name if not self.total else f"{self.name}, {self.done or 0:,} of {self.total:,}"


class Opening:
    """A laboratory that is being opened, or is open, or could not be: then the next that needs it makes another attempt."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._found: Future[Laboratory] | None = None
        self._worker: Worker | None = None
        self._closed = False
        self.step = Step("starting")

    def start(self) -> Future[Laboratory]:
        """Begin where nobody has, or where the last attempt failed."""
        with self._lock:
            if self._found is None or (self._found.done() and self._found.exception() is not None):
                self._found = Future()
                threading.Thread(target=self._open, args=(self._found,), name="autointerp-open", daemon=True).start()
            return self._found

    def close(self) -> None:
        """Let go of the model. What is being opened meanwhile is let go of as soon as it is open."""
        with self._lock:
            self._closed = True
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()

    def ready(self) -> Laboratory | None:
        """The laboratory if it is open."""
        found = self._found
        return found.result() if found is not None and found.done() and found.exception() is None else None

    async def wait(self, tell: Tell) -> Laboratory:
        """The laboratory, waiting a while where it is not open yet.

        Raises
        ------
        Adapt: it takes longer than a host waits for an answer; says how far it is.
        InputError: it cannot be opened.
        """
        found, until = self.start(), time.monotonic() + PATIENCE
        beats = 0
        while not found.done():
            if time.monotonic() > until:
                raise Adapt(f"the model and its index are still being opened ({self.step}): ask again in half a minute")
            beats += 1
            if beats % 10 == 1:
                await tell(beats, None, str(self.step))
            await asyncio.sleep(GLANCE)
        return found.result()

    def _open(self, found: Future[Laboratory]) -> None:
        try:
            laboratory = self._opened()
        except Exception as error:  # noqa: BLE001 - whoever waits for the laboratory reports it
            found.set_exception(error)
        else:
            found.set_result(laboratory)

    def _opened(self) -> Laboratory:
        laboratory = open_laboratory(progress=self._at, **self._settings.subject)
        # One worker for as long as the server lives: the model has many clients, in many threads, and must have one owner.
        worker = laboratory.subject.worker()
        with self._lock:
            if not self._closed:
                self._worker = worker
                return laboratory
        worker.close()
        raise Adapt("the server ended while the model was opened: start it again")

    def _at(self, name: str, done: int | None, total: int | None) -> None:
        self.step = Step(name, done, total)
