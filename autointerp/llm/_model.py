"""A language model as the rest of the house sees it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from autointerp.errors import ContextError, LLMError, MisfitError, ReplayError, RequestError
from autointerp.llm._account import Account, Freed
from autointerp.llm._address import Address
from autointerp.llm._answer import Answer, Reply, Usage
from autointerp.llm._answers import Answers
from autointerp.llm._batch import BatchWork
from autointerp.llm._bounds import believable, exceeds, usual_cost, worst_case
from autointerp.llm._capabilities import Capabilities, Capability, Notices, declared
from autointerp.llm._check import Misfit, check
from autointerp.llm._faults import Rejected
from autointerp.llm._ledger import Ledger, Purpose, Worst
from autointerp.llm._line import Line
from autointerp.llm._prices import PER_DOLLAR, Price, Prices
from autointerp.llm._probe import probe
from autointerp.llm._provider import Body
from autointerp.llm._request import Request, key_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One answer, and what it cost this time: nothing where it came from the cache."""

    answer: Answer
    key: str
    usage: Usage = field(default_factory=Usage)
    picodollars: int | None = 0
    cached: bool = True


@dataclass(frozen=True, slots=True)
class Desk:
    """What all models of a run share: the cache, the ledger, the prices, what was said. `replay` allows the cache alone."""

    answers: Answers
    ledger: Ledger
    prices: Prices
    notices: Notices
    replay: bool = False
    concurrency: int = 64
    freed: Freed = field(default_factory=Freed)
    #: Keys that a task is asking for, and batches that one is handing in.
    flights: dict[str, asyncio.Event] = field(default_factory=dict)
    submitting: set[str] = field(default_factory=set)


class LLM:
    """One model in one role. Everything it is asked goes through the cache, the budget and the limiter.

    Instances are made by `open_llms`. Methods are to be awaited on one event loop.
    """

    def __init__(self, role: str, address: Address, identity: str, desk: Desk, line: Callable[[], Line]) -> None:
        self.role, self.address, self.identity = role, address, identity
        self.desk = desk
        self._line = line

    def __repr__(self) -> str:
        return f"<LLM {self.role} {self.address}>"

    @property
    def line(self) -> Line:
        """The way to the model. Made at the first use: a replay needs none."""
        return self._line()

    async def ask(self, request: Request[T], *, repairs: int = 2) -> Reply[T]:
        """Ask, and ask again with the error where the answer does not fit, up to `repairs` times.

        Raises
        ------
        RefusalError, TruncationError: the model declined, or was cut off.
        MisfitError: the answer did not fit in the end; the message names what was wrong.
        RequestError, UnavailableError: the server will not have it, or did not answer.
        BudgetError: the worst case would pass the limit; nothing was sent.
        ReplayError: a replay, and the cache has no answer.
        """
        asked, exchanges = request, list[Exchange]()
        while True:
            exchange = await self.exchange(asked)
            exchanges.append(exchange)
            outcome = self.judge(asked, exchanges, repairs)
            if isinstance(outcome, Reply):
                return outcome
            asked = outcome

    async def ask_all(
        self, requests: Sequence[Request[T]], *, batch: bool = False, repairs: int = 2, poll: float = 30.0
    ) -> list[Reply[T] | LLMError]:
        """Ask many one-shot questions; one answer or one error for each, in their order.

        With `batch` through the provider's batch endpoint, which costs less and takes up to a day: submitted, looked after
        every `poll` seconds, found again after a restart. Where there is none the requests are sent one by one, which is
        said once.
        """
        if batch and not self.desk.replay:
            endpoint = self.line.provider.batches
            if endpoint is not None and await self.supports(Capability.BATCH):
                return await BatchWork(self, endpoint, repairs=repairs, poll=poll).run(requests)
            self.line.able.learn(Capability.BATCH, False)
            self.line.able.use(Capability.BATCH)
        results: dict[int, Reply[T] | LLMError] = {}
        remaining = iter(enumerate(requests))

        async def work() -> None:
            for i, request in remaining:
                results[i] = await self._caught(request, repairs)

        # Some more than can be under way, so that the next is ready when one is done.
        workers = min(len(requests), self.desk.concurrency + self.desk.concurrency // 4 + 1)
        await asyncio.gather(*(work() for _ in range(workers)))
        return [results[i] for i in range(len(requests))]

    async def supports(self, capability: Capability) -> bool:
        """Whether the model can do that; where nothing is known, it is tried out with a small request and remembered."""
        known = self.known(capability)
        if known is not None:
            return known
        if self.desk.replay:
            raise ReplayError(
                f"whether {self.address} can do {capability} is not in the cache: replay with the cache of the same run"
            )
        able = await probe(self, capability)
        self.line.able.learn(capability, able)
        return able

    def known(self, capability: Capability) -> bool | None:
        """What is known of a capability without trying; None for nothing."""
        if not self.desk.replay:
            return self.line.able.state(capability)
        endpoint = self.identity.partition("@")[2] or None
        return (declared(self.address, endpoint) | self.desk.answers.capabilities(self.identity, of_any_age=True)).get(
            capability
        )

    def price(self, *, batch: bool = False) -> Price | None:
        """What the model's tokens cost."""
        return self.desk.prices.of(self.address, batch=batch)

    def key(self, request: Request[Any]) -> str:
        """The name of the request's answer in the cache."""
        return key_of(self.identity, request.content())

    def judge(self, asked: Request[T], exchanges: list[Exchange], repairs: int) -> Reply[T] | Request[T]:
        """The reply that the last answer makes, or what to ask next. Raises AnswerError."""
        last = exchanges[-1]
        fitting = check(asked, last.answer, str(self.address))
        if isinstance(fitting, Misfit):
            if len(exchanges) > repairs:
                times = f"{len(exchanges)} answers" if len(exchanges) > 1 else "the answer"
                raise MisfitError(
                    f"{times} of {self.address} did not fit what was asked for; the last: {fitting.problem}"
                )
            return asked.followed_by(fitting.turns)
        costs = [e.picodollars for e in exchanges]
        answer, calls = last.answer, fitting.calls
        if not asked.parallel_tools and len(calls) > 1:
            calls = calls[:1]
            answer = answer.model_copy(update={"calls": answer.calls[:1], "state": ""})
        return Reply(
            text=answer.text,
            value=fitting.value,
            calls=calls,
            message=answer.message,
            logprobs=answer.logprobs,
            usage=sum((e.usage for e in exchanges), Usage()),
            dollars=None if None in costs else sum(c for c in costs if c is not None) / PER_DOLLAR,
            cached=all(e.cached for e in exchanges),
            repairs=len(exchanges) - 1,
            key=exchanges[0].key,
            template=asked.template,
        )

    def prepare(self, request: Request[Any], key: str, able: Capabilities | None = None) -> tuple[Body, Worst, Purpose]:
        """The request as it will be sent, the most that it can use, and what the ledger is to note."""
        body = self.line.provider.encode(request, able or self.line.able)
        return body, worst_case(request, body), Purpose(self.role, self.identity, key, request.template)

    def file(
        self,
        settle: Callable[[Usage | None], int | None],
        key: str,
        content: str,
        answer: Answer,
        worst: Worst,
    ) -> tuple[Usage, int | None]:
        """Store an answer and count its cost, both or neither; returns what was counted, in tokens and picodollars."""
        usage = believable(answer)
        if usage is None:
            self.desk.notices.say(
                f"{self.address} usage",
                f"{self.address} does not count its tokens: the most that it can have been is counted",
            )
        elif exceeds(usage, worst):
            self.desk.notices.say(
                f"{self.address} excess",
                f"{self.address} counts more tokens than the request can have had: they are counted as the server says",
            )
        with self.desk.answers.database.transaction():
            cost = settle(usage)
            self.desk.answers.put(key, self.identity, content, answer)
        return usage or Usage(input=worst.prompt, output=worst.output), cost

    def observe(self, request: Request[Any], answer: Answer) -> None:
        """Learn what an answer shows of a capability that was not known."""
        able = self.line.able
        if request.logprobs is not None and able.state(Capability.LOGPROBS) is None and answer.stop != "refusal":
            able.learn(Capability.LOGPROBS, bool(answer.logprobs))
            able.use(Capability.LOGPROBS)
        if answer.calls and able.state(Capability.TOOLS) is None:
            able.learn(Capability.TOOLS, True)

    def refused(self, rejection: Rejected) -> RequestError:
        """The error for a request that the server will not have."""
        if rejection.too_long:
            return ContextError(
                f"the conversation is too long for {self.address} ({rejection.message}): shorten it, or take another model"
            )
        remedies = {
            401: "check the key",
            403: "check the key",
            404: "check the name of the model and the server's address",
        }
        remedy = remedies.get(rejection.status, "the request cannot be sent as it is")
        return RequestError(f"{self.address} refuses the request ({rejection.status}: {rejection.message}): {remedy}")

    def found(self, key: str) -> Exchange | None:
        """What the cache has."""
        answer = self.desk.answers.find(key)
        if answer is None:
            return None
        self.desk.ledger.hits += 1
        return Exchange(answer, key)

    @staticmethod
    def paid(answer: Answer, key: str, usage: Usage, picodollars: int | None) -> Exchange:
        """An answer that came just now."""
        return Exchange(answer, key, usage, picodollars, cached=False)

    async def _caught(self, request: Request[T], repairs: int) -> Reply[T] | LLMError:
        try:
            return await self.ask(request, repairs=repairs)
        except LLMError as error:
            return error

    async def exchange(self, request: Request[Any]) -> Exchange:
        content = request.content()
        key = key_of(self.identity, content)
        async with self._alone(key):
            found = self.found(key)
            if found is not None:
                return found
            if self.desk.replay:
                raise ReplayError(
                    f"the cache {self.desk.answers.database.path} has no answer of {self.address} to request {key[:12]}"
                    f"{f' ({request.template})' if request.template else ''}: run it without --replay"
                )
            return await self.fetch(request, content, key)

    @asynccontextmanager
    async def _alone(self, key: str) -> AsyncIterator[None]:
        """Tasks that ask the same wait for the first to be done, and find its answer in the cache."""
        while (flight := self.desk.flights.get(key)) is not None:
            await flight.wait()
        self.desk.flights[key] = flight = asyncio.Event()
        try:
            yield
        finally:
            del self.desk.flights[key]
            flight.set()

    async def fetch(self, request: Request[Any], content: str, key: str, able: Capabilities | None = None) -> Exchange:
        line, price = self.line, self.price()
        while True:
            body, worst, purpose = self.prepare(request, key, able)
            account = Account(self.desk.ledger, self.desk.freed, purpose, worst, price, patience=line.patience.seconds)
            try:
                answer = await line.send(body, key, usual_cost(request, worst), account)
            except Rejected as rejection:
                blamed = line.provider.blame(rejection, body)
                if blamed is None or line.able.state(blamed) is False:
                    raise self.refused(rejection) from None
                line.able.learn(blamed, False)
                continue
            self.observe(request, answer)
            usage, cost = self.file(account.settle, key, content, answer, worst)
            return Exchange(answer, key, usage, None if price is None else cost, cached=False)


def with_sample(request: Request[T], sample: int) -> Request[T]:
    """Another draw of the same question: a cached answer to one is none to the other."""
    return replace(request, sample=sample)
