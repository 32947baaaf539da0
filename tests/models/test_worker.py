"""The worker: whatever the mix of requests, each gets what it would have got alone; and one client's fault is nobody else's."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autointerp.errors import ModelError
from autointerp.models import (
    At,
    Batch,
    Continuation,
    Edit,
    Generated,
    Objective,
    Operation,
    Request,
    Subject,
    Usage,
    Worker,
)
from autointerp.models import _worker as module
from autointerp.records import Site, SiteKind
from tests.models.mixes import Draw, alone, assert_same

WHERE = Site(layer=1, kind=SiteKind.RESID_POST)


@pytest.fixture(scope="module")
def own(model_folder: Path) -> Subject:
    """A subject that no other test runs while a worker has it."""
    return Subject.load(str(model_folder))


class Gate:
    """Holds the worker's thread before its next pass, so that a test decides what waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.open, self.passes = threading.Event(), threading.Event(), []
        serve = module.serve

        def gated(subject: Subject, requests: list[Request]) -> list[object]:
            self.passes.append(len(requests))
            self.reached.set()
            assert self.open.wait(20)
            return serve(subject, requests)

        monkeypatch.setattr(module, "serve", gated)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate(monkeypatch)
    yield gate
    gate.open.set()


def read(*ids: int) -> Request:
    return Request(batch(*ids), frozenset([WHERE]))


def batch(*ids: int) -> Batch:
    return Batch(torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.bool))


# The same mixes each time: rounding may turn a near tie of two tokens, once in a very long while.
@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 10**9), st.integers(1, 12), st.sampled_from([(1024, 32), (60, 8), (4096, 4096)]))
def test_random_mixes_equal_serial_runs(own: Subject, seed: int, count: int, limits: tuple[int, int]) -> None:
    draw = Draw(own, seed)
    requests = [draw.any() for _ in range(count)]
    expected = [alone(own, request) for request in requests]
    with own.worker(budget=limits[0], slack=limits[1]) as worker:
        futures = [worker.submit(request) for request in requests]
        for request, future, right in zip(requests, futures, expected, strict=True):
            assert_same(future.result(20), right, request)


def test_clients_in_threads_and_coroutines(own: Subject) -> None:
    """`run` and `generate` of the subject go through its worker as well."""
    draw = Draw(own, 1)
    requests = [draw.any() for _ in range(24)]
    expected = [alone(own, request) for request in requests]

    async def coroutines(worker: Worker) -> list[object]:
        async def ask(request: Request | Continuation) -> object:
            if isinstance(request, Request):
                fields = {name: getattr(request, name) for name in ("capture", "edits", "logits", "start", "grad_of")}
                return await worker.run(request.batch, **fields)
            names = ("max_new_tokens", "edits", "temperature", "seed", "stop")
            return await worker.generate(request.batch, **{name: getattr(request, name) for name in names})

        return await asyncio.gather(*map(ask, requests))

    with own.worker() as worker, ThreadPoolExecutor(12) as pool:
        threads = [pool.submit(alone, own, request) for request in requests]
        for found in (asyncio.run(coroutines(worker)), [future.result(20) for future in threads]):
            for request, answer, right in zip(requests, found, expected, strict=True):
                assert_same(answer, right, request)


def test_those_that_wait_share_a_pass(own: Subject, gate: Gate) -> None:
    with own.worker() as worker:
        first = worker.submit(read(0, 70))
        assert gate.reached.wait(10)
        futures = [worker.submit(read(0, 70 + n, *range(71, 71 + n % 5))) for n in range(16)]
        deep = worker.submit(Request(batch(0, 70), logits=True))
        gate.open.set()
        wait([first, *futures, deep], 20)
    assert gate.passes == [1, 16, 1]


def test_usage_is_counted_for_each_and_for_all(model_folder: Path, gate: Gate) -> None:
    subject = Subject.load(str(model_folder))
    start = Usage(subject.usage.forward_passes, subject.usage.tokens)
    with subject.worker() as worker:
        first = worker.submit(read(0, 70))
        assert gate.reached.wait(10)
        futures = [worker.submit(read(*range(n))) for n in (2, 3, 5)]
        gate.open.set()
        assert [future.result(20).usage for future in (first, *futures)] == [Usage(1, n) for n in (2, 2, 3, 5)]
    assert subject.usage == Usage(start.forward_passes + 2, start.tokens + 2 + 3 * 5)


BAD = {
    "value": (Edit(WHERE, Operation.ADD, torch.zeros(31)),),
    "mask": (Edit(WHERE, Operation.ADD, torch.zeros(32), torch.ones(1, 9, dtype=torch.bool)),),
    "row": (Edit(WHERE, Operation.ADD, torch.zeros(32), None, (5,)),),
    "source": (Edit(WHERE, Operation.RESAMPLE, torch.tensor(1)),),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_request_fails_alone(own: Subject, gate: Gate, fault: str) -> None:
    good = [read(0, 70 + n) for n in range(7)]
    with own.worker() as worker:
        worker.submit(read(0, 70))
        assert gate.reached.wait(10)
        futures = [worker.submit(request) for request in good[:4]]
        bad = worker.submit(Request(batch(0, 70), frozenset([WHERE]), BAD[fault]))
        futures += [worker.submit(request) for request in good[4:]]
        gate.open.set()
        with pytest.raises(ModelError, match=r"the edit at resid_post\.1 does not fit"):
            bad.result(20)
        answers = [future.result(20) for future in futures]
    for request, answer in zip(good, answers, strict=True):
        assert_same(answer, alone(own, request), request)


@pytest.mark.parametrize("fault", ["value", "row"])
def test_a_bad_generation_fails_alone(own: Subject, gate: Gate, fault: str) -> None:
    good = [Continuation(batch(0, 70 + n), 4 + n) for n in range(5)]
    with own.worker() as worker:
        worker.submit(read(0, 70))
        assert gate.reached.wait(10)
        futures = [worker.submit(request) for request in good[:2]]
        bad = worker.submit(Continuation(batch(0, 70), 4, BAD[fault]))
        futures += [worker.submit(request) for request in good[2:]]
        gate.open.set()
        with pytest.raises(ModelError, match="does not fit"):
            bad.result(20)
        answers = [future.result(20) for future in futures]
    for request, answer in zip(good, answers, strict=True):
        assert_same(answer, alone(own, request), request)


@pytest.mark.parametrize(
    "request_",
    [
        Request(batch(*range(65)), logits=True),
        Request(batch(0, 70), frozenset([Site(layer=9, kind="mlp_out")])),
        Request(batch(0, 70), grad_of=Objective(torch.zeros(1), Site(layer=9, kind="mlp_out"))),
        Continuation(batch(0, 70), 0),
        Continuation(batch(0, 70), 63),
    ],
)
def test_what_is_unsound_is_refused_through_the_future(own: Subject, request_: Request | Continuation) -> None:
    with own.worker() as worker:
        future = worker.submit(request_)
        assert isinstance(future.exception(20), ModelError)
        assert worker.submit(read(0, 70)).result(20).sites[WHERE].shape == (1, 2, 32)


def test_what_is_cancelled_is_dropped(own: Subject, gate: Gate) -> None:
    with own.worker() as worker:
        first = worker.submit(read(0, 70))
        assert gate.reached.wait(10)
        futures = [worker.submit(read(0, 70 + n)) for n in range(6)]
        writing = worker.submit(Continuation(batch(0, 70), 60))
        kept = worker.submit(Continuation(batch(0, 71), 30))
        assert all(future.cancel() for future in futures[::2])
        gate.open.set()
        first.result(20)
        assert len(kept.result(20).new[0]) <= 30
        writing.cancel()
        assert [future.result(20).sites[WHERE].shape for future in futures[1::2]] == [(1, 2, 32)] * 3
        for future in futures[::2]:
            with pytest.raises(CancelledError):
                future.result(0)
    assert gate.passes == [1, 3]


def test_a_generation_under_way_can_be_cancelled_and_its_mates_go_on(own: Subject) -> None:
    mate = Continuation(batch(0, 71, 72), 50)
    expected = alone(own, mate)
    with own.worker() as worker:
        tokens = own.usage.tokens
        unwanted, future = worker.submit(Continuation(batch(0, 70), 62)), worker.submit(mate)
        while own.usage.tokens < tokens + 5:
            time.sleep(0.001)
        unwanted.cancel()
        assert_same(future.result(20), expected, mate)


def test_a_cancelled_coroutine_takes_its_request_along(own: Subject, gate: Gate) -> None:
    async def clients(worker: Worker) -> None:
        task = asyncio.create_task(worker.run(torch.tensor([[0, 71]]), capture=[WHERE]))
        other = asyncio.create_task(worker.run(torch.tensor([[0, 72]]), capture=[WHERE]))
        await asyncio.sleep(0.01)
        task.cancel()
        gate.open.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await other).sites[WHERE].shape == (1, 2, 32)

    with own.worker() as worker:
        worker.submit(read(0, 70))
        assert gate.reached.wait(10)
        asyncio.run(clients(worker))
    assert gate.passes == [1, 1]


def test_the_queue_is_bounded(own: Subject, gate: Gate) -> None:
    with own.worker(waiting=2) as worker:
        worker.submit(read(0, 70))
        assert gate.reached.wait(10)
        held = [worker.submit(read(0, 70)) for _ in range(2)]
        late: list[object] = []
        client = threading.Thread(target=lambda: late.append(worker.submit(read(0, 71)).result(20)))
        client.start()
        client.join(0.05)
        assert client.is_alive()
        assert not late

        async def clients() -> list[object]:
            # Waiting to be let in does not hold up the loop.
            tasks = [asyncio.create_task(worker.run(torch.tensor([[0, n]]), capture=[WHERE])) for n in range(4)]
            await asyncio.sleep(0.02)
            gate.open.set()
            return await asyncio.gather(*tasks)

        assert len(asyncio.run(clients())) == 4
        client.join(20)
        assert len(late) == 1
        wait(held, 20)


def test_generations_and_runs_do_not_wait_for_each_other(own: Subject) -> None:
    with own.worker() as worker:
        long = worker.submit(Continuation(batch(0, 70), 62))
        served = 0
        while not long.done():
            worker.submit(read(0, 70 + served % 9)).result(20)
            served += 1
        assert served > 5
        assert len(long.result().new[0]) <= 62


def test_generations_that_began_at_different_times_go_on_together(own: Subject) -> None:
    edit = Edit(WHERE, Operation.ADD, 3 * torch.ones(32), At([-1]) | Generated())
    requests = [Continuation(batch(0, *range(70, 71 + 3 * n)), 50 - 5 * n, (edit,) * (n % 2)) for n in range(4)]
    expected = [alone(own, request) for request in requests]
    before = own.usage.forward_passes
    with own.worker() as worker:
        futures = []
        for number, request in enumerate(requests):
            futures.append(worker.submit(request))
            while own.usage.forward_passes < before + 3 * number + 3:
                time.sleep(0.0005)
        for request, future, right in zip(requests, futures, expected, strict=True):
            assert_same(future.result(20), right, request)
    # A step for all of them costs a pass, and so does each one's first.
    assert own.usage.forward_passes - before < 80 < sum(request.max_new_tokens for request in requests)


def test_a_fault_in_the_middle_of_generations_is_found(own: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it shows late and in company."""
    step = module.Decoding.step

    def limited(self: module.Decoding):
        if 70 in [int(request.batch.ids[0, 1]) for request in self.requests] and self.tokens > 8 * len(self.requests):
            raise MemoryError("too long")
        return step(self)

    requests = [Continuation(batch(0, 70 + n), 20) for n in range(5)]
    expected = [alone(own, request) for request in requests[1:]]
    monkeypatch.setattr(module.Decoding, "step", limited)
    with own.worker() as worker:
        bad, *futures = [worker.submit(request) for request in requests]
        with pytest.raises(MemoryError, match="too long"):
            bad.result(20)
        for request, future, right in zip(requests[1:], futures, expected, strict=True):
            assert_same(future.result(20), right, request)


def test_none_waits_forever(own: Subject) -> None:
    """One that shares with nobody is served while others keep coming."""
    stop = threading.Event()

    def crowd() -> None:
        while not stop.is_set():
            own.run(torch.tensor([[0, 70]]), capture=[WHERE])

    with own.worker() as worker:
        threads = [threading.Thread(target=crowd) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            lonely = Request(batch(0, 70), frozenset([WHERE]), grad_of=Objective(torch.ones(300)))
            assert worker.submit(lonely).result(10).grads[WHERE].shape == (1, 2, 32)
        finally:
            stop.set()
            for thread in threads:
                thread.join(20)


def test_closing_serves_what_was_submitted(own: Subject, gate: Gate) -> None:
    worker = own.worker()
    futures = [worker.submit(read(0, 70 + n)) for n in range(5)]
    futures.append(worker.submit(Continuation(batch(0, 70), 8)))
    assert gate.reached.wait(10)
    gate.open.set()
    worker.close()
    assert all(future.done() and future.exception() is None for future in futures)
    with pytest.raises(ModelError, match=r"is closed: open another with Subject\.worker"):
        worker.submit(read(0, 70))
    # The subject is its own master again.
    assert own.run(torch.tensor([[0, 70]]), capture=[WHERE]).sites[WHERE].shape == (1, 2, 32)


def test_a_block_that_fails_cancels_what_waits(own: Subject, gate: Gate) -> None:
    worker, stack = own.worker(), ExitStack()
    stack.enter_context(worker)
    first = worker.submit(read(0, 70))
    assert gate.reached.wait(10)
    futures = [worker.submit(read(0, 70)), worker.submit(Continuation(batch(0, 70), 60))]
    gate.open.set()
    error = KeyError()
    stack.__exit__(KeyError, error, None)
    assert first.done()
    assert all(future.cancelled() or future.done() for future in futures)
    assert futures[1].cancelled()


def test_a_subject_has_one_worker(own: Subject) -> None:
    with own.worker(), pytest.raises(ModelError, match="has a worker: share it, or close it first"):
        own.worker()
    own.worker().close()


def test_a_broken_worker_leaves_nobody_waiting(own: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    reached = threading.Event()

    def broken(*given: object, **named: object) -> None:
        assert reached.wait(100)
        raise SystemError("broken")

    monkeypatch.setattr(module, "together", broken)
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    worker = own.worker()
    futures = [worker.submit(read(0, 70)) for _ in range(3)]
    reached.set()
    for future in futures:
        with pytest.raises(SystemError, match="broken"):
            future.result(20)
    with pytest.raises(ModelError, match="is closed"):
        worker.submit(read(0, 70))
    worker.close()
