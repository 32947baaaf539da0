"""One-shot work through a provider's batch endpoint, which survives being killed at any moment.

What is intended is written down before it is done: a batch is in the tables, with the keys of its items and their reservations,
before it is submitted, and every result is stored in the transaction that settles its reservation. After a restart, batches in
the tables are looked up at the provider before anything is submitted again.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from autointerp.errors import BudgetError, LLMError, UnavailableError
from autointerp.llm._answer import Reply
from autointerp.llm._batch_table import BatchTable, Item, Open
from autointerp.llm._faults import Broken, Dropped, Fault, Rejected
from autointerp.llm._ledger import Purpose, Worst
from autointerp.llm._provider import BatchEndpoint, Body
from autointerp.llm._request import Request

if TYPE_CHECKING:
    from autointerp.llm._model import LLM, Exchange

T = TypeVar("T")
#: How often an item goes back into the queue after a failure that was not its own.
_ROUNDS = 4


@dataclass(slots=True)
class _Question(Generic[T]):
    """One of the requests, as far as it has come: what is asked now, what was answered before, what became of it."""

    asked: Request[T]
    exchanges: list[Exchange] = field(default_factory=list)
    result: Reply[T] | LLMError | None = None
    failures: int = 0


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A request as it will be handed in."""

    key: str
    content: str
    body: Body
    worst: Worst
    purpose: Purpose

    @property
    def size(self) -> int:
        return len(json.dumps(self.body))


class BatchWork:
    """The questions of one call of `ask_all`, from the queue to the answers."""

    def __init__(self, llm: LLM, endpoint: BatchEndpoint, *, repairs: int, poll: float) -> None:
        self.llm, self.endpoint = llm, endpoint
        self.repairs, self.poll = repairs, poll
        self.table = BatchTable(llm.desk.answers.database)
        self.price = llm.price(batch=True)
        self._paid: dict[str, Exchange] = {}

    async def run(self, requests: Sequence[Request[T]]) -> list[Reply[T] | LLMError]:
        """One result for each request, in their order. Raises UnavailableError where the provider cannot be reached."""
        questions = [_Question(request) for request in requests]
        while waiting := self._by_key(questions):
            for key, error in (await self._round(waiting)).items():
                for question in waiting.get(key, ()):
                    question.result = error
        return [question.result for question in questions if question.result is not None]

    def _by_key(self, questions: list[_Question[T]]) -> dict[str, list[_Question[T]]]:
        """The open questions by what has to be asked, after all that the cache answers was used."""
        waiting: dict[str, list[_Question[T]]] = {}
        for question in questions:
            while question.result is None:
                key = self.llm.key(question.asked)
                exchange = self._paid.pop(key, None) or self.llm.found(key)
                if exchange is None:
                    waiting.setdefault(key, []).append(question)
                    break
                question.exchanges.append(exchange)
                try:
                    outcome = self.llm.judge(question.asked, question.exchanges, self.repairs)
                except LLMError as error:
                    question.result = error
                    break
                if isinstance(outcome, Reply):
                    question.result = outcome
                else:
                    question.asked = outcome
        return waiting

    async def _round(self, waiting: dict[str, list[_Question[T]]]) -> dict[str, LLMError]:
        """Submit what is in no batch yet, and collect everything once; returns what gets no answer."""
        await self._settle_intentions()
        under_way = self.table.keys_under_way(self.llm.identity)
        fresh = [self._prepared(key, q[0].asked) for key, q in waiting.items() if key not in under_way]
        refused: dict[str, LLMError] = {}
        failed: dict[str, Fault] = {}
        while fresh:
            handed_in = await self._submit(fresh, refused, failed)
            fresh = fresh[handed_in:]
            if not handed_in:
                break
        bringing = [b for b in self.table.open(self.llm.identity) if self._brings(b, waiting)]
        for batch in bringing:
            failed |= await self._collect(batch)
        if not bringing and under_way:
            await asyncio.sleep(self.poll)  # somebody else is about to submit them
        return refused | self._given_up(waiting, failed)

    def _brings(self, batch: Open, waiting: dict[str, list[_Question[T]]]) -> bool:
        return any(item.key in waiting for item in self.table.items(batch.token))

    def _given_up(self, waiting: dict[str, list[_Question[T]]], failed: dict[str, Fault]) -> dict[str, LLMError]:
        """Failures of the provider go back into the queue a few times, those of the request do not."""
        refused: dict[str, LLMError] = {}
        for key, fault in failed.items():
            if isinstance(fault, Rejected):
                refused[key] = self.llm.refused(fault)
                continue
            for question in waiting.get(key, ()):
                question.failures += 1
                if question.failures >= _ROUNDS:
                    refused[key] = UnavailableError(
                        f"{self.llm.address} gave no answer in {_ROUNDS} batches; the last time: {fault}: try again later"
                    )
        return refused

    def _prepared(self, key: str, request: Request[Any]) -> _Prepared:
        body, worst, purpose = self.llm.prepare(request, key)
        return _Prepared(key, request.content(), body, worst, purpose)

    async def _submit(self, fresh: list[_Prepared], refused: dict[str, LLMError], failed: dict[str, Fault]) -> int:
        """Hand in as many as the endpoint and the budget take; returns how many of the list are dealt with."""
        chosen, size = 0, 0
        while chosen < min(len(fresh), self.endpoint.most_items):
            size += fresh[chosen].size
            if chosen and size > self.endpoint.most_bytes:
                break
            chosen += 1
        token = uuid.uuid4().hex[:20]
        self.llm.desk.submitting.add(token)
        try:
            items = self._intend(token, fresh[:chosen], refused)
            if items:
                by_key = {one.key: one.body for one in fresh[:chosen]}
                failed |= await self._hand_in(token, items, [by_key[item.key] for item in items])
            return len(items) + sum(one.key in refused for one in fresh[:chosen])
        finally:
            self.llm.desk.submitting.discard(token)

    def _intend(self, token: str, chosen: list[_Prepared], refused: dict[str, LLMError]) -> list[Item]:
        """Reserve and write down; what fits no budget is refused, unless room may come when other items are done."""
        items: list[Item] = []
        with self.table.database.transaction():
            others = bool(self.table.open(self.llm.identity))
            for one in chosen:
                try:
                    number = self.llm.desk.ledger.reserve(one.purpose, one.worst, self.price, batched=True)
                except BudgetError as error:
                    if items or others:
                        break
                    refused[one.key] = error
                    continue
                assert number is not None
                items.append(Item(len(items), one.key, number, one.content, one.worst))
            if items:
                self.table.intend(token, self.llm.identity, items)
        return items

    async def _hand_in(self, token: str, items: list[Item], bodies: list[Body]) -> dict[str, Fault]:
        """Submit a batch that is written down; returns why its items failed, where it cannot be had."""

        async def submit() -> str | Fault:
            try:
                return await self.endpoint.submit(token, bodies)
            except Rejected as rejection:
                return rejection
            except (Dropped, Broken) as fault:
                return fault  # it may be there all the same, and must not be there twice

        handed_in = await self.llm.line.insist(submit)
        if isinstance(handed_in, str):
            self.table.submitted(token, handed_in)
            return {}
        if isinstance(handed_in, Rejected) or not await self._look_up(Open(token, None, len(items), time.time(), "")):
            self._give_back(token)
            return {item.key: handed_in for item in items}
        return {}

    async def _settle_intentions(self) -> None:
        """Look up batches that were written down, and of which nobody knows whether they were submitted."""
        for batch in self.table.intended(self.llm.identity, self.llm.desk.submitting):
            if not await self._look_up(batch):
                self._give_back(batch.token)

    async def _look_up(self, batch: Open) -> bool:
        """Whether the provider has it after all."""
        while True:
            known = self.table.ids(self.llm.identity)
            # What was on the wire when it was cut off may arrive a moment later.
            settled = time.time() - batch.created > self.poll
            found = await self.llm.line.insist(
                lambda known=known: self.endpoint.find(batch.token, batch.items, batch.created, known)  # type: ignore[misc]
            )
            if found is not None and found.id:
                self.table.submitted(batch.token, found.id)
                return True
            if found is None and settled:
                return False
            await asyncio.sleep(self.poll)

    def _give_back(self, token: str) -> None:
        """Nothing more is expected of a batch: what has no answer was not billed, and is free to be asked again."""
        with self.table.database.transaction():
            for item in self.table.items(token):
                self.llm.desk.ledger.release(item.reservation)
            self.table.close(token)

    async def _collect(self, batch: Open) -> dict[str, Fault]:
        """Wait for the end of a batch and store what it brought; returns what failed, by key."""
        identifier = batch.id or ""
        while not (await self.llm.line.insist(lambda: self.endpoint.state(identifier))).ended:
            await asyncio.sleep(self.poll)
        items = {item.number: item for item in self.table.items(batch.token)}
        failed: dict[str, Fault] = {}
        try:
            results = await self.llm.line.insist(lambda: self._results(identifier))
        except Rejected as rejection:
            results, failed = {}, {item.key: rejection for item in items.values()}
        for number, result in results.items():
            if number in items:
                item = items.pop(number)
                fault = self._store(item, batch.token, result)
                if fault is not None:
                    failed[item.key] = fault
        for item in items.values():
            failed.setdefault(item.key, Broken("it is not among the results"))
        self._give_back(batch.token)
        return failed

    async def _results(self, batch: str) -> dict[int, bytes | Fault]:
        try:
            return {number: result async for number, result in self.endpoint.results(batch)}
        except (KeyError, TypeError, ValueError) as error:
            raise Dropped(f"results that cannot be read ({type(error).__name__})") from None

    def _store(self, item: Item, token: str, result: bytes | Fault) -> Fault | None:
        """Store one answer and count it, or say why there is none."""
        ledger = self.llm.desk.ledger
        try:
            if isinstance(result, Fault):
                raise result
            answer = self.llm.line.provider.decode(result)
        except Fault as fault:
            if fault.billed:
                ledger.lose(item.reservation)
            return fault
        with self.table.database.transaction():
            usage, cost = self.llm.file(
                lambda usage: ledger.settle(item.reservation, usage, self.price),
                *(item.key, item.content, answer, item.worst),
            )
            self.table.done(token, item.number)
        if cost is not None:
            self._paid[item.key] = self.llm.paid(answer, item.key, usage, cost if self.price is not None else None)
        return None
