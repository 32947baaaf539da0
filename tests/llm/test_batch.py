"""One-shot work through the batch endpoints of both providers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from autointerp.errors import BudgetError, MisfitError, RefusalError, RequestError, UnavailableError
from autointerp.llm import Budget, LLMs, Reply, Request, open_llms, user
from tests.llm.batches import Batches
from tests.llm.formats import Said
from tests.llm.running import HASTY, awaited
from tests.llm.wire import Wire, Wrong


class Colour(BaseModel):
    name: str


def questions(count: int, **settings: Any) -> list[Request[Any]]:
    return [Request((user(f"question {i}"),), max_tokens=64, **settings) for i in range(count)]


def opened(wire: Wire, kind: str, **settings: Any) -> LLMs:
    return open_llms({"judge": wire.address(kind)}, patience=HASTY, **{"listener": lambda text: None, **settings})


def server(wire: Wire, kind: str) -> Batches:
    return wire.batches[kind]  # type: ignore[index]


async def texts(llms: LLMs, requests: list[Request[Any]]) -> list[str]:
    replies = await llms["judge"].ask_all(requests, batch=True, poll=0.01)
    return [reply.text if isinstance(reply, Reply) else type(reply).__name__ for reply in replies]


@awaited
async def test_a_batch_is_one_submission_and_costs_half(wire: Wire, kind: str) -> None:
    model = "gpt-4o" if kind == "openai" else "claude-haiku-4-5"
    async with open_llms({"judge": wire.address(kind, model)}, listener=lambda text: None) as llms:
        replies = await llms["judge"].ask_all(questions(30), batch=True, poll=0.01)
        assert [reply.text for reply in replies if isinstance(reply, Reply)] == [
            f"echo: question {i}" for i in range(30)
        ]
        work = server(wire, kind)
        assert len(work.batches) == 1
        assert wire.tally.requests == 0
        spent = llms.ledger.spent()
        assert spent.tokens == work.tokens
        assert llms.ledger.reserved().requests == 0
        first = replies[0]
        assert isinstance(first, Reply)
        prompt, output = (2.5, 10.0) if kind == "openai" else (1.0, 5.0)
        assert first.dollars == pytest.approx(
            (first.usage.input * prompt + first.usage.output * output) / 2e6, rel=1e-12
        )
        assert spent.dollars == pytest.approx(sum(r.dollars or 0 for r in replies if isinstance(r, Reply)), rel=1e-9)
        # The same once more is free, and one by one it is as well.
        assert await texts(llms, questions(30)) == [f"echo: question {i}" for i in range(30)]
        assert (await llms["judge"].ask(questions(1)[0])).cached
        assert len(work.batches) == 1


@awaited
async def test_equal_questions_are_one_item(wire: Wire, kind: str) -> None:
    async with opened(wire, kind) as llms:
        assert await texts(llms, [*questions(3), *questions(3)]) == [f"echo: question {i}" for i in range(3)] * 2
    assert sum(server(wire, kind).paid.values()) == 3


@awaited
async def test_what_failed_goes_back_into_the_queue(wire: Wire, kind: str) -> None:
    fates = {"question 1": "errored", "question 2": "expired", "question 3": "missing"}
    server(wire, kind).fate = lambda prompt, times: fates.get(prompt, "done") if times <= 2 else "done"  # type: ignore[assignment]
    async with opened(wire, kind) as llms:
        assert await texts(llms, questions(6)) == [f"echo: question {i}" for i in range(6)]
        assert llms.ledger.spent().tokens == server(wire, kind).tokens
        assert llms.ledger.reserved().requests == 0
    assert [len(batch.items) for batch in server(wire, kind).batches.values()] == [6, 3, 3]
    assert set(server(wire, kind).paid.values()) == {1}


@awaited
async def test_what_keeps_failing_is_given_up(wire: Wire, kind: str) -> None:
    server(wire, kind).fate = lambda prompt, times: "expired" if prompt == "question 1" else "done"
    async with opened(wire, kind) as llms:
        replies = await llms["judge"].ask_all(questions(3), batch=True, poll=0.01)
    assert isinstance(replies[1], UnavailableError)
    assert "no answer in 4 batches" in str(replies[1])
    assert isinstance(replies[0], Reply)
    assert server(wire, kind).seen["question 1"] == 4


@awaited
async def test_what_the_server_will_not_have_is_not_sent_again(wire: Wire, kind: str) -> None:
    server(wire, kind).fate = lambda prompt, times: "invalid" if prompt == "question 1" else "done"
    async with opened(wire, kind) as llms:
        replies = await llms["judge"].ask_all(questions(3), batch=True, poll=0.01)
    assert isinstance(replies[1], RequestError)
    assert "item invalid" in str(replies[1])
    assert server(wire, kind).seen["question 1"] == 1


@awaited
async def test_answers_are_checked_and_asked_for_again(wire: Wire, kind: str) -> None:
    def brain(body: dict[str, Any]) -> Said:
        told = str(body["messages"])
        if "question 2" in told:
            return Said(refusal="never")
        if "question 3" in told:
            return Said("nothing that fits")
        return Said('{"name": "red"}' if "question 0" in told or "cannot be used" in told else "red")

    wire.brain = brain
    async with opened(wire, kind) as llms:
        replies = await llms["judge"].ask_all(questions(4, output=Colour), batch=True, poll=0.01)
        assert llms.ledger.spent().tokens == server(wire, kind).tokens
    assert isinstance(replies[0], Reply)
    assert isinstance(replies[1], Reply)
    assert (replies[0].value, replies[0].repairs, replies[1].repairs) == (Colour(name="red"), 0, 1)
    assert isinstance(replies[2], RefusalError)
    assert isinstance(replies[3], MisfitError)
    assert [len(batch.items) for batch in server(wire, kind).batches.values()] == [4, 2, 1]


@awaited
async def test_the_budget_decides_how_much_goes_in_at_once(wire: Wire, kind: str) -> None:
    # Room for the worst case of a few items only, but for the true cost of all of them.
    async with opened(wire, kind, budget=Budget(tokens=1_200)) as llms:
        assert await texts(llms, questions(12)) == [f"echo: question {i}" for i in range(12)]
        assert llms.ledger.spent().tokens == server(wire, kind).tokens <= 1_200
    assert len(server(wire, kind).batches) > 1
    async with opened(wire, kind, budget=Budget(tokens=50)) as llms:
        replies = await llms["judge"].ask_all([Request((user("other"),))] * 2, batch=True, poll=0.01)
    assert all(isinstance(reply, BudgetError) for reply in replies)


@awaited
async def test_without_batches_requests_go_one_by_one_and_that_is_said(wire: Wire, kind: str) -> None:
    wire.has_batches = False
    said: list[str] = []
    async with opened(wire, kind, listener=said.append) as llms:
        for _ in range(2):
            assert await texts(llms, questions(4)) == [f"echo: question {i}" for i in range(4)]
    assert wire.tally.requests == 4
    assert sum("cannot do batch" in text for text in said) == 1


@pytest.mark.parametrize("wrong", [Wrong(500), Wrong(cut_body=True)], ids=["error", "answer lost"])
@awaited
async def test_a_submission_of_unknown_end_is_looked_up_and_not_repeated(wire: Wire, kind: str, wrong: Wrong) -> None:
    failures = iter([wrong])
    path = "/v1/batches" if kind == "openai" else "/v1/messages/batches"
    wire.batch_wrong = lambda method, asked: next(failures, None) if (method, asked) == ("POST", path) else None
    server(wire, kind).seconds = 0.05
    async with opened(wire, kind) as llms:
        assert await texts(llms, questions(5)) == [f"echo: question {i}" for i in range(5)]
        assert llms.ledger.spent().tokens == server(wire, kind).tokens
    assert set(server(wire, kind).paid.values()) == {1}


@awaited
async def test_a_poll_that_fails_is_repeated(wire: Wire, kind: str) -> None:
    failures = iter([Wrong(500), None, Wrong(429), Wrong(cut_body=True), None] * 3)
    wire.batch_wrong = lambda method, path: next(failures, None) if method == "GET" else None
    async with opened(wire, kind) as llms:
        assert await texts(llms, questions(5)) == [f"echo: question {i}" for i in range(5)]
    assert set(server(wire, kind).paid.values()) == {1}


@awaited
async def test_a_batch_that_the_server_will_not_have(wire: Wire, kind: str) -> None:
    path = "/v1/batches" if kind == "openai" else "/v1/messages/batches"
    wire.batch_wrong = lambda method, asked: (
        Wrong(400, message="too many") if (method, asked) == ("POST", path) else None
    )
    async with opened(wire, kind) as llms:
        replies = await llms["judge"].ask_all(questions(2), batch=True, poll=0.01)
        assert llms.ledger.reserved().requests == 0
    assert all(isinstance(reply, RequestError) and "too many" in str(reply) for reply in replies)


@awaited
async def test_work_that_was_left_is_taken_up_again(wire: Wire, kind: str, tmp_path: Path) -> None:
    server(wire, kind).seconds = 0.3
    settings = {"cache": tmp_path / "llm.sqlite", "run": "r"}
    async with opened(wire, kind, **settings) as llms:
        task = asyncio.ensure_future(texts(llms, questions(5)))
        while not server(wire, kind).batches:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert llms.ledger.reserved().requests == 5
    async with opened(wire, kind, **settings) as llms:
        # Two more are asked for now: they make a batch of their own.
        assert await texts(llms, questions(7)) == [f"echo: question {i}" for i in range(7)]
        assert llms.ledger.spent().tokens == server(wire, kind).tokens
        assert llms.ledger.reserved().requests == llms.ledger.lost().requests == 0
    assert [len(batch.items) for batch in server(wire, kind).batches.values()] == [5, 2]


@awaited
async def test_two_who_ask_at_once_share_the_batch(wire: Wire, kind: str) -> None:
    server(wire, kind).seconds = 0.1
    async with opened(wire, kind) as llms:
        found = await asyncio.gather(*(texts(llms, questions(5)) for _ in range(3)))
        assert found == [[f"echo: question {i}" for i in range(5)]] * 3
        assert llms.ledger.spent().tokens == server(wire, kind).tokens
    assert set(server(wire, kind).paid.values()) == {1}


@awaited
async def test_a_batch_may_be_no_larger_than_the_endpoint_takes(wire: Wire, kind: str) -> None:
    async with opened(wire, kind) as llms:
        endpoint = llms["judge"].line.provider.batches
        assert endpoint is not None
        endpoint.most_items = 4
        assert await texts(llms, questions(10)) == [f"echo: question {i}" for i in range(10)]
        endpoint.most_items, endpoint.most_bytes = 1000, 600
        assert await texts(llms, questions(20)) == [f"echo: question {i}" for i in range(20)]
    sizes = [len(batch.items) for batch in server(wire, kind).batches.values()]
    assert sizes[:3] == [4, 4, 2]
    assert max(sizes[3:]) < 10
