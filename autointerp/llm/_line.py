"""The way to one model: retries, and the limiter that all requests to it share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type
from tenacity.wait import wait_random_exponential

from autointerp.errors import UnavailableError
from autointerp.llm._account import Account
from autointerp.llm._address import Address
from autointerp.llm._answer import Answer
from autointerp.llm._capabilities import Capabilities
from autointerp.llm._faults import Fault, Limited, Overloaded, Passing
from autointerp.llm._limiter import Limiter, Ticket
from autointerp.llm._provider import Body, Provider

R = TypeVar("R")
#: After how many failures that are the server's fault a request is given up. Being told to wait is none.
ATTEMPTS = 8
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to go on: attempts that fail, seconds altogether, and the first and longest wait between attempts."""

    attempts: int = ATTEMPTS
    seconds: float = 1800.0
    first_wait: float = _FIRST_WAIT
    longest_wait: float = _LONGEST_WAIT


class Line:
    """One model's provider with its limiter. Shared by all roles that have the same address."""

    def __init__(
        self, address: Address, provider: Provider, able: Capabilities, limiter: Limiter, patience: Patience
    ) -> None:
        self.address, self.provider, self.able = address, provider, able
        self.limiter, self.patience = limiter, patience

    async def send(self, body: Body, key: str, cost: Mapping[str, float], account: Account) -> Answer:
        """Send until there is an answer; every attempt is covered by a reservation of the account.

        Raises Rejected where the server will not have it, UnavailableError where it did not answer, and BudgetError.
        """

        async def attempt() -> Answer:
            async with self.limiter.ticket(cost) as ticket:
                await account.open()
                return await self._attempt(body, key, ticket, account)

        try:
            return await self.insist(attempt, limited=True)
        except BaseException:
            account.cut_off()
            raise

    async def insist(self, attempt: Callable[[], Awaitable[R]], *, limited: bool = False) -> R:
        """Call until it succeeds, with waits between; `limited` says that the limiter sees to those that a server asks for.

        Raises what is not passing, and UnavailableError at last.
        """
        began = asyncio.get_running_loop().time()
        failures = 0

        def gave_up(state: RetryCallState) -> bool:
            nonlocal failures
            error = state.outcome.exception() if state.outcome else None
            if not isinstance(error, Limited):
                failures += 1
            late = asyncio.get_running_loop().time() - began > self.patience.seconds
            return late or failures >= self.patience.attempts

        jittered = wait_random_exponential(multiplier=self.patience.first_wait, max=self.patience.longest_wait)

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            if limited and isinstance(error, Limited | Overloaded):
                return 0.0
            after = error.after if isinstance(error, Passing) else None
            return max(float(jittered(state)), after or 0.0)

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Passing), stop=gave_up, wait=wait, sleep=asyncio.sleep, reraise=True
        )

        async def awaited() -> R:  # tenacity awaits what is declared asynchronous, and nothing else
            return await attempt()

        try:
            return await retrying(awaited)
        except Passing as fault:
            seconds = asyncio.get_running_loop().time() - began
            raise UnavailableError(
                f"{self.address} gave no answer in {failures} failed attempts and {seconds:.0f} s; the last: {fault}:"
                " try again later, what was answered is kept"
            ) from None

    async def _attempt(self, body: Body, key: str, ticket: Ticket, account: Account) -> Answer:
        account.sent = True
        try:
            received = await self.provider.send(body, key)
            answer = self.provider.decode(received.body)
        except Fault as fault:
            if isinstance(fault, Limited | Overloaded):
                self.limiter.complained(ticket, fault.after, fault.quotas)
            # Nothing stays reserved between attempts: whoever waits for room waits only for what is on the wire.
            if fault.billed:
                account.lose()
            else:
                account.release()
            raise
        self.limiter.succeeded(ticket, received.quotas)
        return answer
