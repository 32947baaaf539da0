"""How many requests may be under way, and when the next may go: one answer for all tasks that share an endpoint.

Two things decide. What the server says of its limits is followed exactly, as a bucket that refills evenly. What it does not say
is found out: the number of requests under way shrinks when the server complains and then grows slowly, multiplicative decrease
and additive increase (Chiu & Jain 1989).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from autointerp.llm._faults import Quota

#: What a complaint leaves of the window, and what a whole round of answers adds to it.
_DECREASE, _INCREASE = 0.7, 0.2
#: How fast a bucket refills is forgotten after so many seconds: limits change.
_MEMORY = 60.0
#: The part of a limit that is not used.
_SLACK = 0.1
#: Seconds after which to look again where it is not known how fast a bucket refills.
_LOOK_AGAIN = 0.05
#: A part of a unit too small to wait for: sums of floats never come out quite even.
_NOTHING = 1e-6
#: Seconds between two tickets. Requests that leave in one moment are answered in one moment, and then all wait for each other
#: in this process, round after round; set apart once, they stay apart.
_APART = 0.003


@dataclass(slots=True)
class Ticket:
    """Leave to send one request."""

    cost: Mapping[str, float]
    at: float = 0.0
    #: What had been sent of every unit when this was.
    sent: Mapping[str, float] | None = None


class Bucket:
    """One limit of a server, as its answers show it: so many units, refilled evenly."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.credit, self.at = limit, 0.0
        self.rate: float | None = None
        self._rate_at = 0.0
        self._newest = -1.0

    def observe(self, quota: Quota, ticket: Ticket, sent: float, now: float) -> None:
        """The server had `remaining` left after the request of that ticket; since then it refilled, and we sent more."""
        if ticket.at < self._newest:
            return
        self._newest = ticket.at
        self._learn_rate(quota, now)
        before = (ticket.sent or {}).get(quota.unit, 0.0)
        refilled = (self.rate or 0.0) * (now - ticket.at)
        self.limit = quota.limit
        self.credit = min(quota.limit, quota.remaining + refilled) - (sent - before)
        self.at = now

    def forget_rate(self) -> None:
        """It was taken for faster than it is."""
        self.rate = None

    def wait(self, cost: float, now: float) -> float:
        """Seconds until there is credit for that."""
        if not cost:
            return 0.0
        # A little is left in the bucket, because requests do not arrive in the order and at the moment in which they went.
        slack = _SLACK * self.limit
        # What is greater than the whole bucket can only be tried.
        missing = min(cost + slack, self.limit) - self._credit(now)
        if missing <= _NOTHING:
            return 0.0
        return missing / self.rate if self.rate else _LOOK_AGAIN

    def take(self, cost: float, now: float) -> None:
        """Use credit up."""
        self.credit, self.at = self._credit(now) - cost, now

    def _credit(self, now: float) -> float:
        return min(self.limit, self.credit + (self.rate or 0.0) * (now - self.at))

    def _learn_rate(self, quota: Quota, now: float) -> None:
        # Servers round what remains down and the time up: a lower bound, and the greatest of several is the nearest.
        used, seconds = quota.limit - quota.remaining - 1, quota.reset + quota.coarse
        if used <= 0 or seconds <= 0:
            return
        rate = used / seconds
        if self.rate is None or rate > self.rate or now - self._rate_at > _MEMORY:
            self.rate, self._rate_at = rate, now


class Limiter:
    """Gives out tickets in the order in which they are asked for.

    At most `most` requests are under way, and half of that before the first answer. After a complaint that names no time all
    wait for `first_pause` seconds, twice that after the next in a row, up to `longest_pause`.
    """

    def __init__(self, most: int = 64, *, first_pause: float = 1.0, longest_pause: float = 60.0) -> None:
        if most < 1:
            raise ValueError(f"{most} requests at once: at least 1")
        self.most = most
        self._pauses = first_pause, longest_pause
        self.window = max(1.0, most / 2)
        self.under_way = 0
        self._threshold = float(most)
        self._reduced_at = -1.0
        self._resume_at = 0.0
        self._last_at = -1.0
        self._complaints = 0
        self._buckets: dict[str, Bucket] = {}
        self._sent: dict[str, float] = {}
        self._waiting: deque[tuple[asyncio.Future[Ticket], Mapping[str, float]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def ticket(self, cost: Mapping[str, float]) -> AsyncIterator[Ticket]:
        """Wait for leave to send a request that uses so much of every unit (`requests`, `tokens`, …)."""
        future: asyncio.Future[Ticket] = asyncio.get_running_loop().create_future()
        self._waiting.append((future, cost))
        self._pump()
        try:
            given = await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.under_way -= 1
            self._pump()
            raise
        try:
            yield given
        finally:
            self.under_way -= 1
            self._pump()

    def succeeded(self, ticket: Ticket, quotas: tuple[Quota, ...]) -> None:
        """An answer came."""
        if self._reduced_at < 0:
            self.window = float(self.most)  # it works, and if there is a limit it has been stated
        else:
            grown = 1.0 if self.window < self._threshold else _INCREASE / self.window
            self.window = min(self.most, self.window + grown)
        self._complaints = 0
        self._observe(ticket, quotas)

    def complained(self, ticket: Ticket, after: float | None, quotas: tuple[Quota, ...]) -> None:
        """The server has too much to do, or allows no more for now: everybody waits, then fewer go at once."""
        now = asyncio.get_running_loop().time()
        # All that were under way together are one complaint.
        if ticket.at > self._reduced_at:
            self.window = max(1.0, self.window * _DECREASE)
            self._threshold = self.window
            self._reduced_at = now
            self._complaints += 1
        first, longest = self._pauses
        pause = min(first * 2 ** min(self._complaints - 1, 30), longest) if after is None else after
        self._resume_at = max(self._resume_at, now + pause)
        for bucket in self._buckets.values():
            bucket.forget_rate()
        self._observe(ticket, quotas)

    def _observe(self, ticket: Ticket, quotas: tuple[Quota, ...]) -> None:
        now = asyncio.get_running_loop().time()
        for quota in quotas:
            bucket = self._buckets.setdefault(quota.unit, Bucket(quota.limit))
            bucket.observe(quota, ticket, self._sent.get(quota.unit, 0.0), now)
        self._pump()

    def _pump(self) -> None:
        """Let go whoever may."""
        now = asyncio.get_running_loop().time()
        while self._waiting and self.under_way < int(self.window):
            future, cost = self._waiting[0]
            if future.done():  # whoever waited was cancelled
                self._waiting.popleft()
                continue
            wait = max(self._resume_at - now, self._last_at + _APART - now, self._credit_wait(cost, now))
            if wait > 0:
                self._wake_in(wait)
                return
            self._waiting.popleft()
            self.under_way += 1
            self._last_at = now
            for unit, amount in cost.items():
                self._sent[unit] = self._sent.get(unit, 0.0) + amount
                if unit in self._buckets:
                    self._buckets[unit].take(amount, now)
            future.set_result(Ticket(cost, now, dict(self._sent)))

    def _credit_wait(self, cost: Mapping[str, float], now: float) -> float:
        # With nothing under way no answer will bring news of a bucket whose rate is not known: somebody has to try.
        known = {u: b for u, b in self._buckets.items() if self.under_way or b.rate is not None}
        return max((bucket.wait(cost.get(unit, 0.0), now) for unit, bucket in known.items()), default=0.0)

    def _wake_in(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_later(seconds, self._woken)

    def _woken(self) -> None:
        self._timer = None
        self._pump()
