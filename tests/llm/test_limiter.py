"""Who may send when: against a simulated server, in time that passes at once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autointerp.llm._faults import Quota
from autointerp.llm._limiter import Limiter
from tests.llm.running import in_leaps

ONE = {"requests": 1.0}


@dataclass
class Server:
    """A token bucket behind a latency; says what is left as providers do, rounded down and up."""

    rate: float
    burst: float
    latency: float
    seed: int = 0
    stated: bool = True
    coarse: bool = False
    answered: int = 0
    rejected: int = 0
    together: int = 0
    most_together: int = 0

    def __post_init__(self) -> None:
        self.left, self.at = self.burst, 0.0
        self.generator = random.Random(self.seed)

    async def ask(self) -> tuple[bool, tuple[Quota, ...], float]:
        self.together += 1
        self.most_together = max(self.most_together, self.together)
        way = self.latency * self.generator.uniform(0.02, 0.1)
        await asyncio.sleep(way)
        now = asyncio.get_running_loop().time()
        self.left = min(self.burst, self.left + (now - self.at) * self.rate)
        self.at = now
        allowed = self.left >= 1
        self.left -= allowed
        after = 0.0 if allowed else (1 - self.left) / self.rate
        reset = (self.burst - self.left) / self.rate
        quota = Quota(
            "requests", self.burst, int(self.left), float(round(reset)) if self.coarse else reset, float(self.coarse)
        )
        await asyncio.sleep(self.latency * self.generator.uniform(0.8, 1.2) if allowed else way)
        self.together -= 1
        self.answered += allowed
        self.rejected += not allowed
        return allowed, (quota,) if self.stated else (), after


async def client(limiter: Limiter, server: Server, requests: Iterator[int]) -> None:
    for _ in requests:
        done = False
        while not done:
            async with limiter.ticket(ONE) as ticket:
                done, quotas, after = await server.ask()
                if done:
                    limiter.succeeded(ticket, quotas)
                else:
                    limiter.complained(ticket, after, quotas)


def run(server: Server, count: int, *, most: int = 64) -> tuple[float, float]:
    """Goodput as a share of what the server allowed meanwhile, and the share of rejections."""

    async def whole() -> None:
        limiter = Limiter(most)
        requests = iter(range(count))
        await asyncio.gather(*(client(limiter, server, requests) for _ in range(2 * most)))

    _, seconds = in_leaps(whole())
    assert server.answered == count
    assert server.most_together <= most
    allowed = server.rate * seconds + server.burst
    return count / allowed, server.rejected / (count + server.rejected)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rate", [20.0, 50.0, 200.0])
@pytest.mark.parametrize("coarse", [False, True], ids=["milliseconds", "seconds"])
def test_a_stated_limit_is_used_and_not_passed(rate: float, coarse: bool, seed: int) -> None:
    goodput, rejected = run(Server(rate, rate, 0.2, seed, coarse=coarse), 1500)
    assert rejected < 0.02
    assert goodput > 0.9


def test_a_limit_per_minute_is_kept_to() -> None:
    goodput, rejected = run(Server(rate=500 / 60, burst=500, latency=2.0), 1500)
    assert rejected < 0.02
    assert goodput > 0.9


@pytest.mark.parametrize("seed", range(5))
def test_a_limit_that_is_not_stated_is_found(seed: int) -> None:
    goodput, rejected = run(Server(50, 50, 0.2, seed, stated=False), 6000)
    assert goodput > 0.9
    assert rejected < 0.03


def test_no_limit_means_all_that_may_be_under_way() -> None:
    goodput, rejected = run(Server(rate=1e6, burst=1e6, latency=1.0), 6400)
    assert rejected == 0
    del goodput
    server = Server(rate=1e6, burst=1e6, latency=1.0, stated=False)

    async def whole() -> None:
        limiter = Limiter(64)
        await asyncio.gather(
            *(client(limiter, server, requests) for requests in [iter(range(6400))] for _ in range(128))
        )

    _, seconds = in_leaps(whole())
    # A hundred rounds of a second and a tenth, and half a round lost at the start, where half as many go.
    assert seconds < 1.05 * 100 * 1.1


def test_everybody_waits_after_a_complaint() -> None:
    times: list[float] = []

    async def whole() -> None:
        limiter = Limiter(4)

        async def one(fails: bool) -> None:
            async with limiter.ticket(ONE) as ticket:
                times.append(asyncio.get_running_loop().time())
                await asyncio.sleep(0.1)
                if fails:
                    limiter.complained(ticket, 5.0, ())
                else:
                    limiter.succeeded(ticket, ())

        await asyncio.gather(*(one(i == 0) for i in range(6)))

    in_leaps(whole())
    # Half of four go, one close upon the other; the complaint leaves one at a time, after the pause.
    assert times[0] == 0
    assert times[1] < 0.01
    assert all(t >= 5.1 for t in times[2:])
    assert len(set(times[2:])) > 1


def test_complaints_without_a_time_wait_longer_and_longer() -> None:
    times: list[float] = []

    async def whole() -> None:
        limiter = Limiter(1, first_pause=1.0, longest_pause=8.0)
        for _ in range(6):
            async with limiter.ticket(ONE) as ticket:
                times.append(asyncio.get_running_loop().time())
                await asyncio.sleep(0.001)
                limiter.complained(ticket, None, ())

    in_leaps(whole())
    assert [round(b - a) for a, b in pairwise(times)] == [1, 2, 4, 8, 8]


def test_tokens_are_a_limit_of_their_own() -> None:
    times: list[float] = []

    async def whole() -> None:
        limiter = Limiter(10)
        for _ in range(5):
            async with limiter.ticket({"requests": 1.0, "tokens": 600.0}) as ticket:
                times.append(asyncio.get_running_loop().time())
                await asyncio.sleep(0.01)
                left = max(0.0, 1000 - 600)
                limiter.succeeded(ticket, (Quota("tokens", 1000, left, 6.0),))

    in_leaps(whole())
    # A hundred tokens come back in a second. 400 are left, 600 are needed, and a tenth of the limit is not touched.
    assert all(2.9 < b - a < 3.1 for a, b in pairwise(times[1:]))


def test_a_limit_that_is_never_touched_hides_no_other() -> None:
    times: list[float] = []

    async def whole() -> None:
        limiter = Limiter(10)
        for _ in range(4):
            async with limiter.ticket({"requests": 1.0, "tokens": 900.0}) as ticket:
                times.append(asyncio.get_running_loop().time())
                await asyncio.sleep(0.01)
                limiter.succeeded(ticket, (Quota("requests", 1000, 999, 0.001), Quota("tokens", 1000, 100, 9.0)))

    in_leaps(whole())
    assert all(b - a > 8 for a, b in pairwise(times[1:]))


def test_more_than_the_whole_limit_is_tried_when_it_is_full() -> None:
    async def whole() -> float:
        limiter = Limiter(10)
        for _ in range(2):
            async with limiter.ticket({"tokens": 5000.0}) as ticket:
                await asyncio.sleep(0.01)
                limiter.succeeded(ticket, (Quota("tokens", 1000, 0, 10.0),))
        return asyncio.get_running_loop().time()

    finished, _ = in_leaps(whole())
    assert 9.9 < finished < 10.2


@settings(max_examples=60, deadline=None)
@given(
    most=st.integers(1, 8),
    plans=st.lists(
        st.tuples(st.floats(0, 2), st.floats(0.01, 2), st.booleans(), st.floats(0, 3)), min_size=1, max_size=40
    ),
)
def test_whoever_gives_up_leaves_no_place_taken(most: int, plans: list[tuple[float, float, bool, float]]) -> None:
    together = 0

    async def whole() -> int:
        nonlocal together
        limiter = Limiter(most)

        async def one(start: float, seconds: float, complains: bool) -> None:
            nonlocal together
            await asyncio.sleep(start)
            async with limiter.ticket(ONE) as ticket:
                together += 1
                assert together <= most
                try:
                    await asyncio.sleep(seconds)
                finally:
                    together -= 1
                if complains:
                    limiter.complained(ticket, 0.1, ())
                else:
                    limiter.succeeded(ticket, ())

        tasks = []
        for start, seconds, complains, given_up in plans:
            task = asyncio.ensure_future(one(start, seconds, complains))
            if given_up < 1.5:
                asyncio.get_running_loop().call_later(given_up, task.cancel)
            tasks.append(task)
        await asyncio.gather(*tasks, return_exceptions=True)
        async with limiter.ticket(ONE):  # there is room still
            pass
        return limiter.under_way

    left, _ = in_leaps(whole())
    assert left == 0


def test_those_who_wait_go_in_turn() -> None:
    order: list[int] = []

    async def whole() -> None:
        limiter = Limiter(2)

        async def one(i: int) -> None:
            async with limiter.ticket(ONE):
                order.append(i)
                await asyncio.sleep(0.1)

        await asyncio.gather(*(one(i) for i in range(20)))

    in_leaps(whole())
    assert order == list(range(20))


def test_less_than_one_at_once_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Limiter(0)
