"""Worker processes: one that breaks costs one feature, and none outlives its owner."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from autointerp.labelling import WorkError, open_workers
from autointerp.study import Laboratory
from tests.scoring.known import DOUBLE, SINGLE


@pytest.mark.slow
def test_a_worker_that_is_killed_is_replaced_and_the_feature_fails_alone(known: Laboratory) -> None:
    async def go() -> None:
        async with open_workers(known, 1) as workers:
            first = await workers.learn(SINGLE)
            (worker,) = workers._all
            os.kill(worker._process.pid, signal.SIGKILL)
            with pytest.raises(WorkError, match="worker process broke"):
                await workers.learn(DOUBLE)
            again = await workers.learn(SINGLE)
            assert (again.explanation, again.refine) == (first.explanation, first.refine)
            with pytest.raises(WorkError, match="CacheError"):
                await workers.learn(10_000)
            process = worker._process
        assert not process.is_alive()

    asyncio.run(go())
