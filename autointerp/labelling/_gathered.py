"""Questions about many features, handed in together at a provider's batch endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autointerp.llm import LLM, Reply, Request

#: Seconds in which no further question came, after which those that wait are handed in. A batch takes minutes to hours.
_QUIET = 20.0
#: Seconds between two looks at a batch that is under way.
_POLL = 30.0


@dataclass(eq=False)
class _Waiting:
    request: Request[Any]
    answer: asyncio.Future[Any]


class Gathered:
    """A language model whose questions wait for each other and are asked in one batch, at half the price or less.

    What was handed in before a kill is found again by the same questions. Where a provider has no batch endpoint they are sent
    one by one.
    """

    def __init__(self, llm: LLM, *, most: int, quiet: float = _QUIET, poll: float = _POLL) -> None:
        """`most` questions are not waited with any longer; `quiet` and `poll` in seconds."""
        self._llm, self._most, self._quiet, self._poll = llm, most, quiet, poll
        self._waiting: list[_Waiting] = []
        self._came = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._collector: asyncio.Task[None] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._llm, name)

    async def ask(self, request: Request[Any], **options: Any) -> Reply[Any]:
        """As `LLM.ask`, when the batch is back. Raises LLMError as that does."""
        del options
        one = _Waiting(request, asyncio.get_running_loop().create_future())
        self._waiting.append(one)
        self._came.set()
        if self._collector is None or self._collector.done():
            self._collector = self._begun(self._collected())
        answer = await one.answer
        if isinstance(answer, Exception):
            raise answer
        found: Reply[Any] = answer
        return found

    async def _collected(self) -> None:
        """Hand in what has come each time that nothing more comes; ends when nobody waits."""
        while self._waiting:
            self._came.clear()
            if len(self._waiting) < self._most and await self._another():
                continue
            some, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            self._begun(self._asked(some))

    async def _another(self) -> bool:
        try:
            async with asyncio.timeout(self._quiet):
                return await self._came.wait()
        except TimeoutError:
            return False

    async def _asked(self, some: list[_Waiting]) -> None:
        try:
            answers: list[Any] = await self._llm.ask_all([one.request for one in some], batch=True, poll=self._poll)
        except Exception as error:  # noqa: BLE001 (whoever asked is told, each for itself)
            answers = [error] * len(some)
        except asyncio.CancelledError:
            for one in some:
                one.answer.cancel()
            raise
        for one, answer in zip(some, answers, strict=True):
            if not one.answer.done():
                one.answer.set_result(answer)

    def _begun(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    async def aclose(self) -> None:
        """End what is under way here; a batch that was handed in goes on at the provider, and is found again."""
        tasks = list(self._under_way)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
