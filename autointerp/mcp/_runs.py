"""Explanations that hosts asked for: worked on one after the other in a thread, looked at from the server."""

from __future__ import annotations

import asyncio
import itertools
import queue
import sys
import threading
import traceback
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, Final, Literal

from rich.console import Console

from autointerp._plugins import load_one
from autointerp.errors import Adapt, AutointerpError, RetryWithOther
from autointerp.mcp._opening import Opening, Step
from autointerp.mcp._settings import Settings
from autointerp.records import RunRecord
from autointerp.report import show, write_page
from autointerp.study import explain_feature

#: Runs that are remembered, and those that may wait: a host that asks for more is not reading what it gets.
_KEPT, _WAITING = 64, 16
_EVENTS: Final = 12
_LONGEST: Final = 200
_WIDTH: Final = 100

State = Literal["waiting", "running", "done", "failed"]


@dataclass(slots=True)
class Run:
    """One explanation that was asked for, and how it stands.

    Attributes
    ----------
    events: the latest things that happened, one line each.
    record, page: what came of it, and the file of its page, once it is done.
    error: one line, once it has failed.
    """

    id: str
    feature: int
    strategy: str
    rounds: int
    state: State = "waiting"
    step: Step = field(default_factory=lambda: Step("waiting for its turn"))
    events: deque[str] = field(default_factory=lambda: deque(maxlen=_EVENTS))
    record: RunRecord | None = None
    page: Path | None = None
    error: str = ""
    #: Raised with every change, so that whoever waits sees one.
    version: int = 0

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ("done", "failed")

    def report(self) -> str:
        """The record as text: the summary, the program, scores with intervals, claims and examples."""
        assert self.record is not None
        console = Console(file=StringIO(), width=_WIDTH, color_system=None, legacy_windows=False)
        with console.capture() as captured:
            show(self.record, console)
        return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


class Runs:
    """The explanations of one server. `start` and the look-ups are called from the server, the work is done in a thread."""

    def __init__(self, settings: Settings, opening: Opening) -> None:
        self._settings, self._opening = settings, opening
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self._numbers = itertools.count(1)
        self._queue: queue.SimpleQueue[Run | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._working: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None
        self._closed = False

    def start(self, feature: int, strategy: str | None, rounds: int) -> Run:
        """Queue an explanation.

        Raises
        ------
        PluginError: no such strategy.
        Adapt: one that needs a language model, and the server has none; or too many explanations wait.
        FeatureError: no such feature, where the dictionary is open already; else the run fails with that.
        """
        chosen = strategy or ("investigate" if self._settings.llm else "offline")
        if load_one("autointerp.strategies", chosen).needs_llm and self._settings.llm is None:
            raise Adapt(
                f"the strategy {chosen} needs a language model, and this server has none: ask for offline or investigate, or"
                " start the server with --llm openai:NAME or anthropic:NAME"
            )
        if sum(run.state == "waiting" for run in self._runs.values()) >= _WAITING:
            raise Adapt(f"{_WAITING} explanations wait already: ask for more when some are done")
        if (laboratory := self._opening.ready()) is not None:
            laboratory.feature(feature)
        run = Run(f"run{next(self._numbers)}", feature, chosen, rounds)
        self._runs[run.id] = run
        self._forget()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="autointerp-explain", daemon=True)
            self._thread.start()
        self._queue.put(run)
        return run

    def __getitem__(self, name: str) -> Run:
        """A run by its name. Raises RetryWithOther, which says those there are."""
        if name not in self._runs:
            latest = ", ".join(list(self._runs)[-8:]) or "none yet: explain_start begins one"
            raise RetryWithOther("run", f"no run {name!r}; there are {latest}")
        return self._runs[name]

    def all(self) -> list[Run]:
        """The runs that are remembered, oldest first."""
        return list(self._runs.values())

    def close(self) -> None:
        """End the run that is being worked on, and begin no other."""
        with self._lock:
            self._closed = True
            working = self._working
            if working is not None:
                loop, task = working
                loop.call_soon_threadsafe(task.cancel)
        self._queue.put(None)

    def _forget(self) -> None:
        ended = [name for name, run in self._runs.items() if run.ended]
        for name in ended[: max(0, len(self._runs) - _KEPT)]:
            del self._runs[name]

    def _work(self) -> None:
        while (run := self._queue.get()) is not None and not self._closed:
            try:
                run.record = asyncio.run(self._explained(run))
                self._write(run, run.record)
                run.step, run.state = Step("done"), "done"
            except AutointerpError as error:
                _failed(run, " ".join(str(error).split()))
            except asyncio.CancelledError:
                _failed(run, "the server ended before the run did")
            except Exception as error:  # noqa: BLE001 - a defect, for the log; the next run is not to suffer for it
                traceback.print_exc(file=sys.stderr)
                _failed(run, f"a defect of autointerp ({type(error).__name__}): the server's log has the details")
            run.version += 1

    async def _explained(self, run: Run) -> RunRecord:
        with self._lock:
            task = asyncio.current_task()
            assert task is not None
            if self._closed:
                raise asyncio.CancelledError
            self._working = asyncio.get_running_loop(), task
        try:
            run.state = "running"
            opened = self._opening.start()
            while not opened.done():
                if self._opening.step != run.step:
                    run.step = self._opening.step
                    run.version += 1
                await asyncio.sleep(0.1)
            laboratory = opened.result()
            laboratory.feature(run.feature)

            def listener(kind: str, text: str) -> None:
                line = " ".join(text.split())[:_LONGEST]
                if kind == "step":
                    run.step = Step(line)
                run.events.append(f"{kind}: {line}")
                run.version += 1

            return await explain_feature(
                run.feature,
                laboratory=laboratory,
                folder=self._settings.out if run.strategy != "offline" else None,
                listener=listener,
                strategy=run.strategy,
                rounds=run.rounds,
                **self._settings.subject,
                **(self._settings.models if run.strategy != "offline" else {}),
            )
        finally:
            with self._lock:
                self._working = None

    def _write(self, run: Run, record: RunRecord) -> None:
        if self._settings.out is None:
            return
        page = (self._settings.out / f"feature-{run.feature}-{run.strategy}.html").absolute()
        try:
            write_page(record, page)
        except AutointerpError as error:
            # What was found is there all the same.
            run.events.append(f"note: {error}")
        else:
            run.page = page


def _failed(run: Run, message: str) -> None:
    run.error, run.step, run.state = message, Step("failed"), "failed"
