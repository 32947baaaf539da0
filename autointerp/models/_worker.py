"""One thread that owns a model and joins the requests of many into batches, as inference servers do.

While a forward pass runs, requests gather; the next pass takes the oldest of them and all that can share its pass (see
`_joining`). Generations advance by one token a turn, between passes of other requests, so that neither waits for the other.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor

from autointerp.errors import ModelError
from autointerp.models._batch import Batch
from autointerp.models._generate import Completions, Continuation, Decoding
from autointerp.models._joining import limits, together
from autointerp.models._requests import check, continuation_of, request_of, serve
from autointerp.models._run import Captured, Request
from autointerp.records import SiteKind

if TYPE_CHECKING:
    from autointerp.models._subject import Subject

#: How long to wait for company to the requests that wait, in seconds, and again as long as some comes, but so long at most:
#: while a pass runs, those who ask have another core to get on with.
_LINGER, _PATIENCE = 0.001, 0.003
#: Clients that were just answered often ask again at once: how long to wait for them, as a part of what their pass took.
_RETURN = 0.1


#: How many tokens generations may hold in their caches, in budgets: they take memory there, and next to no time.
_HELD = 8


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """A request, who waits for it, and what it may share a pass with."""

    request: Request | Continuation
    key: Hashable = None
    future: Future[Any] = field(default_factory=Future)

    @property
    def rows(self) -> int:
        return len(self.request.batch)

    @property
    def columns(self) -> int:
        return self.request.columns


@dataclass(slots=True, eq=False)
class _Writing:
    """Generations that advance together. `suspect`: one of them is at fault, so they stay among themselves."""

    decoding: Decoding
    jobs: list[_Job]
    suspect: bool = False


class Worker:
    """The one thread that runs a subject, for any number of clients in threads and coroutines.

    Each request gets what it would have got alone, up to rounding. Requests are served in the order in which they came, but for
    those that fill up a pass of an older one. An error reaches the client of the request that made it and nobody else. A
    future that is cancelled before it is served is dropped. While the worker is open, `Subject.run` and `Subject.generate`
    from other threads go through it too.

    Use it as a context manager: at the end of the block what was submitted is still served, unless the block ends with an
    exception; then what has not been served is cancelled.
    """

    def __init__(
        self, subject: Subject, *, budget: int | None = None, slack: int | None = None, waiting: int = 1024
    ) -> None:
        """`budget` is how many tokens a pass may hold, `slack` how many of padding a request may add to it.

        Both have a default for the device. `waiting` is how many requests may wait; who comes then has to wait to be let in.
        """
        if subject._worker is not None:
            raise ModelError(f"{subject.name} has a worker: share it, or close it first")
        usual = limits(subject.device)
        self._subject = subject
        self._budget, self._slack, self._limit = budget or usual[0], usual[1] if slack is None else slack, waiting
        self._waiting: list[_Job] = []
        self._writing: list[_Writing] = []
        self._state = threading.Condition()
        self._closed = False
        # How many requests the last pass answered, and until when to wait for more from those who made them.
        self._answered = (0, 0.0)
        self._threads = torch.get_num_threads()
        self._thread = threading.Thread(target=self._live, name=f"worker of {subject.name}", daemon=True)
        self._thread.start()
        subject._worker = self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(cancel=error is not None)

    def close(self, *, cancel: bool = False) -> None:
        """Serve what was submitted, or with `cancel` drop it; then end the thread. Nothing can be submitted any more."""
        with self._state:
            self._closed = True
            if cancel:
                for job in [*self._waiting, *(job for writing in self._writing for job in writing.jobs)]:
                    job.future.cancel()
            self._state.notify_all()
        self._thread.join()
        if self._subject._worker is self:
            self._subject._worker = None

    @property
    def here(self) -> bool:
        """Whether the calling thread is the worker's own."""
        return threading.current_thread() is self._thread

    def submit(self, request: Request | Continuation) -> Future[Any]:
        """Put a request into the queue, and wait for room where it is full.

        The future's result is what `Subject.run` (Captured) or `Subject.generate` (Completions) return, and its exception what
        they raise. Raises ModelError when the worker is closed.
        """
        try:
            check(self._subject, request)
        except ModelError as error:
            refused: Future[Any] = Future()
            refused.set_exception(error)
            return refused
        job = self._job(request)
        self._enter(job)
        return job.future

    async def run(self, ids: Tensor | Batch, **arguments: Any) -> Captured:
        """`Subject.run` with its arguments, in the company of others."""
        captured: Captured = await self._answer(request_of(self._subject, ids, **arguments))
        return captured

    async def generate(self, prompts: Sequence[Sequence[int]] | Tensor | Batch, **arguments: Any) -> Completions:
        """`Subject.generate` with its arguments, in the company of others."""
        completions: Completions = await self._answer(continuation_of(self._subject, prompts, **arguments))
        return completions

    async def _answer(self, request: Request | Continuation) -> Any:
        job = self._job(request)
        if not self._enter(job, wait=False):
            try:
                await asyncio.to_thread(self._enter, job)
            except asyncio.CancelledError:
                job.future.cancel()
                raise
        return await asyncio.wrap_future(job.future)

    def _job(self, request: Request | Continuation) -> _Job:
        # A copy, so that a request that was submitted twice is two.
        return _Job(replace(request), self._key(request))

    def _key(self, request: Request | Continuation) -> Hashable:
        """Requests of one key may share a pass: of one depth, so that none waits for layers that it does not need."""
        if isinstance(request, Continuation):
            return "generation"
        sites = [*request.capture, *(edit.site for edit in request.edits)]
        sites += [o.site for o in request.objectives if o.site is not None]
        order = self._subject.sites()
        whole = request.reads_logits or any(o.site is None for o in request.objectives)
        depth = None if whole or not sites else max(sites, key=order.index).layer
        patterns = any(site.kind is SiteKind.PATTERN for site in sites)
        # The head takes much of a pass, and those that read it at one place of a text need little of it.
        everywhere = request.places is None
        return bool(request.objectives), request.start and request.start[0], depth, patterns, everywhere

    def _enter(self, job: _Job, *, wait: bool = True) -> bool:
        """Put a job into the queue. False where that is full and `wait` is not wanted."""
        with self._state:
            while len(self._waiting) >= self._limit and not self._closed:
                if not wait:
                    return False
                self._state.wait()
            if self._closed:
                raise ModelError(f"the worker of {self._subject.name} is closed: open another with Subject.worker")
            self._waiting.append(job)
            self._state.notify_all()
        return True

    def _live(self) -> None:
        # Its own in each thread.
        torch.set_num_threads(self._threads)
        try:
            while self._turn():
                pass
        except BaseException as error:
            with self._state:
                self._closed = True
                left = [*self._waiting, *(job for writing in self._writing for job in writing.jobs)]
                self._waiting.clear()
                self._state.notify_all()
            for job in left:
                _fail(job, error)
            raise

    def _turn(self) -> bool:
        """One pass for those that wait, and one token for each generation. False when there is nothing left to do."""
        jobs = self._next()
        if jobs and isinstance(jobs[0].request, Continuation):
            self._write(jobs)
        elif jobs:
            began = time.monotonic()
            self._run(jobs)
            ended = time.monotonic()
            self._answered = (len(jobs), ended + _RETURN * (ended - began))
        for writing in list(self._writing):
            self._advance(writing)
        self._unite()
        return bool(jobs or self._writing) or not self._closed

    def _next(self) -> list[_Job]:
        """The jobs of the next pass; none where generations are all there is to do."""
        with self._state:
            self._gather()
            self._waiting = [job for job in self._waiting if not _cancelled(job)]
            held = sum(writing.decoding.tokens for writing in self._writing)
            ready = [job for job in self._waiting if not held or held < _HELD * self._budget or job.key != "generation"]
            if not ready:
                return []
            jobs = together(ready, budget=self._budget, slack=self._slack)
            taken = {id(job) for job in jobs}
            self._waiting = [job for job in self._waiting if id(job) not in taken]
            self._state.notify_all()
        return jobs

    def _gather(self) -> None:
        """Wait until there is something to do, and a moment more for others to join."""
        answered, until = self._answered
        self._answered = (0, 0.0)
        if answered > 1 and not self._writing:
            expected = len(self._waiting) + answered
            while len(self._waiting) < expected and not self._closed and (left := until - time.monotonic()) > 0:
                self._state.wait(left)
        coming = bool(self._waiting) or not self._writing
        while not self._waiting and not self._writing and not self._closed:
            self._state.wait()
        count, last = 0, time.monotonic() + _PATIENCE
        while coming and count != len(self._waiting) and not self._closed and time.monotonic() < last:
            count = len(self._waiting)
            self._state.wait(_LINGER)

    def _run(self, jobs: Sequence[_Job]) -> None:
        try:
            results = serve(self._subject, [job.request for job in jobs if isinstance(job.request, Request)])
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to whoever asked
            if len(jobs) == 1:
                _fail(jobs[0], error)
                return
            # One of them is at fault, or they are too many together: halves tell whose it is.
            self._run(jobs[: len(jobs) // 2])
            self._run(jobs[len(jobs) // 2 :])
            return
        for job, result in zip(jobs, results, strict=True):
            _deliver(job, result)

    def _write(self, jobs: Sequence[_Job], *, suspect: bool = False) -> None:
        requests = [job.request for job in jobs if isinstance(job.request, Continuation)]
        self._writing.append(_Writing(Decoding(self._subject._layout, requests), list(jobs), suspect))

    def _advance(self, writing: _Writing) -> None:
        """One more token for generations that advance together; those that are done or unwanted leave."""
        gone = [job for job in writing.jobs if _cancelled(job)]
        try:
            if gone:
                writing.jobs = [job for job in writing.jobs if job not in gone]
                writing.decoding.drop([job.request for job in gone if isinstance(job.request, Continuation)])
            finished: list[tuple[Continuation, Completions]] = []
            if writing.jobs:
                cost, finished = writing.decoding.step()
                self._subject.usage.add(cost)
        except Exception as error:  # noqa: BLE001 - as above
            self._writing.remove(writing)
            if len(writing.jobs) == 1:
                _fail(writing.jobs[0], error)
                return
            self._write(writing.jobs[: len(writing.jobs) // 2], suspect=True)
            self._write(writing.jobs[len(writing.jobs) // 2 :], suspect=True)
            return
        for request, completions in finished:
            job = next(job for job in writing.jobs if job.request is request)
            writing.jobs.remove(job)
            _deliver(job, completions)
        if not writing.jobs:
            self._writing.remove(writing)

    def _unite(self) -> None:
        """Let generations go on together, whenever they began."""
        begun = [writing for writing in self._writing if writing.decoding.begun and not writing.suspect]
        for other in begun[1:]:
            begun[0].decoding.absorb(other.decoding)
            begun[0].jobs += other.jobs
            self._writing.remove(other)


def _cancelled(job: _Job) -> bool:
    return job.future.cancelled()


def _deliver(job: _Job, result: object) -> None:
    if job.future.set_running_or_notify_cancel():
        job.future.set_result(result)


def _fail(job: _Job, error: BaseException) -> None:
    if job.future.set_running_or_notify_cancel():
        job.future.set_exception(error)
