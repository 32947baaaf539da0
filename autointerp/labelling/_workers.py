"""Processes that share one index: each does one thing at a time, and none outlives whoever started it."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from autointerp.errors import AutointerpError
from autointerp.labelling._index_work import Graded, IndexWork
from autointerp.labelling._label import Attempt
from autointerp.records import Explanation, Program

T = TypeVar("T")

#: Seconds after which a worker is taken for stuck, ended and replaced; a feature takes about one.
_STUCK = 600.0


class WorkError(AutointerpError):
    """A piece of work raised in its process, or broke it; the message says how."""


class Workers:
    """Worker processes behind awaitable methods. An asynchronous context manager: leaving it ends them."""

    def __init__(self, folder: Path, *, vocabulary: int, seed: int, processes: int, stuck: float = _STUCK) -> None:
        self._settings = (folder, vocabulary, seed)
        self._stuck = stuck
        # A feature always goes to the same worker, which remembers what it learned of it.
        self._all = [_Worker(self._settings) for _ in range(processes)]
        self._turns = [asyncio.Lock() for _ in self._all]
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix="autointerp-worker")

    async def __aenter__(self) -> Workers:
        for worker in self._all:
            worker.start()
        return self

    async def __aexit__(self, *raised: object) -> None:
        for worker in self._all:
            worker.end()
        self._threads.shutdown(wait=True)

    async def learn(self, feature: int) -> Attempt:
        """See `IndexWork.learn`. Raises WorkError."""
        found: Attempt = await self._do("learn", feature)
        return found

    async def gate(self, feature: int, program: Program) -> float | None:
        """See `IndexWork.gate`. Raises WorkError."""
        found: float | None = await self._do("gate", feature, program)
        return found

    async def grade(self, feature: int, explanation: Explanation) -> Graded:
        """See `IndexWork.grade`. Raises WorkError."""
        found: Graded = await self._do("grade", feature, explanation)
        return found

    async def _do(self, name: str, feature: int, *arguments: Any) -> Any:
        number = feature % len(self._all)
        async with self._turns[number]:
            ask = self._all[number].ask
            question = (name, (feature, *arguments))
            loop = asyncio.get_running_loop()
            good, found = await loop.run_in_executor(self._threads, ask, question, self._stuck)
        if not good:
            raise WorkError(found)
        return found


class _Worker:
    """One process and the line to it."""

    def __init__(self, settings: tuple[Path, int, int]) -> None:
        self._settings = settings
        self._process: Any = None
        self._line: Connection | None = None
        self._ended = False

    def start(self) -> None:
        # Spawned and not forked: a fork would share the threads' locks of torch, and a killed parent's pipe.
        context = multiprocessing.get_context("spawn")
        self._line, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, *self._settings), daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, question: Any, patience: float) -> tuple[bool, Any]:
        """Have something done; whether it was, and what it gave or why not. A process that broke is replaced."""
        if self._line is None and not self._ended:
            self.start()
        line = self._line
        if line is None:
            return False, "the workers were ended"
        try:
            line.send(question)
            if line.poll(patience):
                answer: tuple[bool, Any] = line.recv()
                return answer
            reason = f"its worker gave no answer in {patience:g} seconds and was ended"
        except (EOFError, OSError):
            reason = "its worker process broke; it may have run out of memory"
        self._stop()
        return False, reason

    def end(self) -> None:
        """For good."""
        self._ended = True
        self._stop()

    def _stop(self) -> None:
        line, self._line = self._line, None
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if line is not None:
            with contextlib.suppress(OSError):
                line.close()


def _serve(line: Connection, folder: Path, vocabulary: int, seed: int) -> None:
    """The worker's life: answer until the other end is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import torch

    # Each worker has one core: threads of several on the same cores wait for each other.
    torch.set_num_threads(1)
    with IndexWork(folder, vocabulary, seed) as work:
        while True:
            try:
                name, arguments = line.recv()
            except (EOFError, OSError):
                return
            try:
                line.send(_done(getattr(work, name), arguments))
            except (BrokenPipeError, ConnectionError):
                return


def _done(call: Callable[..., T], arguments: tuple[Any, ...]) -> tuple[bool, T | str]:
    try:
        return True, call(*arguments)
    except Exception as error:  # noqa: BLE001 (one feature's failure is a row that says why, and the rest goes on)
        return False, " ".join(f"{type(error).__name__}: {error}".split())
