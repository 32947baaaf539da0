"""A batch whose process is killed again and again: all is answered in the end, and each paid once."""

from __future__ import annotations

import json
import multiprocessing
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from autointerp.llm import Budget, Notices
from autointerp.llm._database import Database
from autointerp.llm._ledger import Ledger
from tests.llm import batch_client
from tests.llm.batches import Batches
from tests.llm.wire import Wire

KILLS, COUNT = 20, 200


class Work:
    """A server, and processes that have it answer `count` requests in batches."""

    def __init__(self, wire: Wire, kind: str, folder: Path, count: int) -> None:
        self.wire, self.kind, self.folder, self.count = wire, kind, folder, count
        self.batches: Batches = wire.batches[kind]  # type: ignore[index]
        # Some items fail at first, so that there is a second round to be killed in.
        self.batches.fate = lambda prompt, times: "expired" if times == 1 and prompt.endswith("7") else "done"
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["tests.llm.batch_client"])

    def start(self, crash_at: int | None = None) -> multiprocessing.process.BaseProcess:
        arguments = (
            self.wire.address(self.kind),
            self.folder / "llm.sqlite",
            self.folder / "out.json",
            self.count,
            crash_at,
        )
        process = self.context.Process(target=batch_client.work, args=arguments)
        process.start()
        return process

    def check(self) -> None:
        assert json.loads((self.folder / "out.json").read_text()) == [f"echo: question {i}" for i in range(self.count)]
        assert len(self.batches.paid) == self.count
        assert set(self.batches.paid.values()) == {1}
        ledger = Ledger(Database(self.folder / "llm.sqlite"), batch_client.RUN, Budget(), Notices())
        assert (ledger.spent().requests, ledger.spent().tokens) == (self.count, self.batches.tokens)
        assert ledger.reserved().requests == ledger.lost().requests == 0


@contextmanager
def working(kind: str, folder: Path, count: int) -> Iterator[Work]:
    with Wire() as wire:
        yield Work(wire, kind, folder, count)


@pytest.mark.slow
def test_killed_at_random_moments(kind: str, tmp_path: Path) -> None:
    generator = random.Random(f"kills {kind}")
    with working(kind, tmp_path, COUNT) as work:
        work.batches.seconds = 3.0
        killed = 0
        while killed < KILLS:
            process = work.start()
            process.join(generator.uniform(0.05, 0.5))
            if process.exitcode is None:
                process.kill()
                killed += 1
            process.join()
            assert process.exitcode != 0, f"done after {killed} kills: the batch has to take longer"
        process = work.start()
        process.join(60)
        assert process.exitcode == 0
        work.check()


@pytest.mark.parametrize("part", range(3))
def test_killed_at_every_step(kind: str, part: int, tmp_path: Path) -> None:
    steps = range(1 + part, 400, 3)
    with working(kind, tmp_path, 6) as work:
        work.batches.seconds = 0.05
        for step in steps:
            process = work.start(crash_at=step)
            process.join(60)
            if process.exitcode == 0:
                break
            assert process.exitcode == 9
        assert process.exitcode == 0
        work.check()
