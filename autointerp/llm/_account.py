"""The money side of one request: reserved before every attempt, and settled, lost or released after it."""

from __future__ import annotations

import asyncio
from collections import deque

from autointerp.llm._answer import Usage
from autointerp.llm._ledger import Ledger, Purpose, Worst
from autointerp.llm._prices import Price

#: How often to look whether another process has freed what it had reserved.
_LOOK_AGAIN_SECONDS = 0.5


class Freed:
    """Wakes those who wait for what others have reserved, in the order in which they came."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()

    def tell(self) -> None:
        """Something is settled: whoever waits may look again."""
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)

    async def wait(self, seconds: float) -> None:
        """Until told, but no longer than that."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await asyncio.wait([future], timeout=seconds)
        future.cancel()


class Account:
    """At most one reservation at a time, for one request and all its attempts."""

    def __init__(
        self, ledger: Ledger, freed: Freed, purpose: Purpose, worst: Worst, price: Price | None, patience: float
    ) -> None:
        self.ledger, self.freed = ledger, freed
        self.purpose, self.worst, self.price = purpose, worst, price
        #: Whether an attempt is on the wire: cut off then, it may have been billed.
        self.sent = False
        self._patience = patience
        self._reservation: int | None = None

    async def open(self) -> None:
        """Reserve the worst case, unless it is reserved. Waits where it only fits once others are settled.

        Raises BudgetError where it does not fit at all.
        """
        deadline = asyncio.get_running_loop().time() + self._patience
        while self._reservation is None:
            wait = asyncio.get_running_loop().time() < deadline
            self._reservation = self.ledger.reserve(self.purpose, self.worst, self.price, else_wait=wait)
            if self._reservation is None:
                await self.freed.wait(_LOOK_AGAIN_SECONDS)

    def lose(self) -> None:
        """An attempt may have been billed and brought nothing."""
        if self._reservation is not None:
            self.ledger.lose(self._reservation)
            self._end()

    def release(self) -> None:
        """Nothing was billed."""
        if self._reservation is not None:
            self.ledger.release(self._reservation)
            self._end()

    def cut_off(self) -> None:
        """The request is given up, for whatever reason."""
        if self.sent:
            self.lose()
        else:
            self.release()

    def settle(self, usage: Usage | None) -> int | None:
        """The answer is there: what it cost, in picodollars; None where it was counted already."""
        if self._reservation is None:
            return None
        cost = self.ledger.settle(self._reservation, usage, self.price)
        self._end()
        return cost

    def _end(self) -> None:
        self._reservation, self.sent = None, False
        self.freed.tell()
