"""Everything that can go wrong on the wire, through the real SDKs, for both providers."""

from __future__ import annotations

import socket
import time

import pytest
from pydantic import BaseModel

from autointerp.errors import (
    AnswerError,
    ContextError,
    MisfitError,
    RefusalError,
    RequestError,
    TruncationError,
    UnavailableError,
)
from autointerp.llm import LLMs, Patience, Request, Tool, open_llms, user
from tests.llm.formats import Said
from tests.llm.running import HASTY, awaited
from tests.llm.wire import Wire, Wrong


class Colour(BaseModel):
    name: str
    shade: int


PAINT = Tool("paint", "Paints.", Colour)
HELLO = Request((user("hello"),), max_tokens=100)


def opened(wire: Wire, kind: str, **settings: object) -> LLMs:
    chosen = {"patience": HASTY, "timeout": 5.0, "listener": lambda text: None, **settings}
    return open_llms({"judge": wire.address(kind)}, **chosen)  # type: ignore[arg-type]


def first(wrong: Wrong, times: int = 1):
    return lambda number, prompt: wrong if number < times else None


@awaited
async def test_a_rate_limit_is_waited_for(wire: Wire, kind: str) -> None:
    wire.wrong = first(Wrong(429, after="0.3"))
    async with opened(wire, kind) as llms:
        began = time.monotonic()
        reply = await llms["judge"].ask(HELLO)
        assert time.monotonic() - began >= 0.3
        assert reply.text == "echo: hello"
        assert wire.tally.requests == 2
        assert llms.ledger.spent().tokens == wire.tally.tokens == reply.usage.tokens
        assert llms.ledger.lost().requests == 0


@awaited
async def test_all_wait_for_a_rate_limit_together(wire: Wire, kind: str) -> None:
    wire.wrong = first(Wrong(429, after="0.3"))
    wire.latency = 0.05
    async with opened(wire, kind, concurrency=2) as llms:
        await llms["judge"].ask_all([Request((user(f"{i}"),)) for i in range(6)])
        # One was turned away, its companion answered; nobody else was sent before the time was over.
        assert wire.tally.requests == 7


@pytest.mark.parametrize("status", [500, 502, 503, 529])
@awaited
async def test_a_server_error_is_tried_again(wire: Wire, kind: str, status: int) -> None:
    wire.wrong = first(Wrong(status), times=2)
    async with opened(wire, kind) as llms:
        reply = await llms["judge"].ask(HELLO)
        assert reply.text == "echo: hello"
        assert wire.tally.requests == 3
        assert llms.ledger.spent().tokens == wire.tally.tokens
        assert llms.ledger.lost().requests == 0
    # All attempts go under one name, so that a server that knows it need not do the work twice.
    assert list(wire.keys.values()) == [3]


@pytest.mark.parametrize("status", [408, 504])
@awaited
async def test_a_gateway_that_gave_up_may_have_been_billed(wire: Wire, kind: str, status: int) -> None:
    wire.wrong = first(Wrong(status))
    async with opened(wire, kind) as llms:
        await llms["judge"].ask(HELLO)
        assert llms.ledger.lost().requests == 1


@pytest.mark.parametrize("wrong", [Wrong(cut_body=True), Wrong(broken_json=True)], ids=["closed", "broken"])
@awaited
async def test_half_an_answer_is_none_and_may_have_been_billed(wire: Wire, kind: str, wrong: Wrong) -> None:
    wire.wrong = first(wrong)
    async with opened(wire, kind) as llms:
        reply = await llms["judge"].ask(HELLO)
        assert reply.text == "echo: hello"
        assert wire.tally.requests == 2
        assert llms.ledger.spent().tokens == wire.tally.tokens
        undelivered = wire.tally.worked_tokens - wire.tally.tokens
        assert llms.ledger.lost().requests == 1
        assert llms.ledger.lost().tokens >= undelivered > 0


@awaited
async def test_a_server_that_hangs_is_left(wire: Wire, kind: str) -> None:
    wire.wrong = first(Wrong(hang=True))
    async with opened(wire, kind, timeout=0.3) as llms:
        reply = await llms["judge"].ask(HELLO)
        assert reply.text == "echo: hello"
        assert llms.ledger.lost().requests == 1


@awaited
async def test_a_server_that_stays_broken_is_given_up(wire: Wire, kind: str) -> None:
    wire.wrong = first(Wrong(500), times=1000)
    async with opened(wire, kind) as llms:
        with pytest.raises(UnavailableError, match=r"no answer in 6 failed attempts .* told to fail: try again later"):
            await llms["judge"].ask(HELLO)
        assert wire.tally.requests == 6
        assert llms.ledger.reserved().requests == llms.ledger.spent().requests == llms.ledger.lost().requests == 0


@awaited
async def test_being_told_to_wait_is_no_failure(wire: Wire, kind: str) -> None:
    wire.wrong = first(Wrong(429, after="0.001"), times=20)
    async with opened(wire, kind) as llms:
        assert (await llms["judge"].ask(HELLO)).text == "echo: hello"
        assert wire.tally.requests == 21


@awaited
async def test_patience_ends(wire: Wire, kind: str) -> None:
    wire.wrong = first(Wrong(429, after="0.01"), times=10_000)
    async with opened(wire, kind, patience=Patience(seconds=0.1, first_wait=0.001, longest_wait=0.01)) as llms:
        with pytest.raises(UnavailableError, match="429"):
            await llms["judge"].ask(HELLO)


@awaited
async def test_nobody_there_is_said(kind: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        async with open_llms({"judge": f"{kind}:m@http://127.0.0.1:{port}/v1"}, patience=HASTY) as llms:
            with pytest.raises(UnavailableError, match="no connection"):
                await llms["judge"].ask(HELLO)
            assert llms.ledger.lost().requests == 0


@pytest.mark.parametrize(("status", "remedy"), [(400, "cannot be sent"), (401, "key"), (403, "key"), (404, "name")])
@awaited
async def test_what_the_server_will_not_have_is_not_sent_again(wire: Wire, kind: str, status: int, remedy: str) -> None:
    wire.wrong = first(Wrong(status, message="not like this"), times=9)
    async with opened(wire, kind) as llms:
        with pytest.raises(RequestError, match=rf"{status}: not like this.*{remedy}"):
            await llms["judge"].ask(HELLO)
        assert wire.tally.requests == 1
        assert llms.ledger.reserved().requests == llms.ledger.spent().requests == 0


@pytest.mark.parametrize(
    "wrong",
    [
        Wrong(400, message="too many tokens", code="context_length_exceeded"),
        Wrong(400, message="prompt is too long: 212345 tokens > 200000 maximum"),
        Wrong(400, message="This model's maximum context length is 4096 tokens. Please reduce the length."),
        Wrong(400, message="the request exceeds the available context size"),
        Wrong(413, message="request too large"),
    ],
)
@awaited
async def test_what_is_too_long_is_an_error_of_its_own(wire: Wire, kind: str, wrong: Wrong) -> None:
    wire.wrong = first(wrong, times=9)
    async with opened(wire, kind) as llms:
        with pytest.raises(ContextError, match=r"too long for .* shorten it"):
            await llms["judge"].ask(HELLO)
        assert wire.tally.requests == 1


@pytest.mark.parametrize("code", ["insufficient_quota", "enforced_spend_limit_reached"])
@awaited
async def test_no_money_is_no_rate_limit(wire: Wire, kind: str, code: str) -> None:
    wire.wrong = first(Wrong(429, after="0.001", code=code, message="you have spent it all"), times=9)
    async with opened(wire, kind) as llms:
        with pytest.raises(RequestError, match="spent it all"):
            await llms["judge"].ask(HELLO)
        assert wire.tally.requests == 1


@awaited
async def test_the_server_says_whether_to_try_again(wire: Wire, kind: str) -> None:
    wire.wrong = first(Wrong(500, headers={"x-should-retry": "false"}))
    async with opened(wire, kind) as llms:
        with pytest.raises(RequestError):
            await llms["judge"].ask(HELLO)
    wire.wrong = lambda number, prompt: Wrong(400, headers={"x-should-retry": "true"}) if number == 1 else None
    async with opened(wire, kind) as llms:
        assert (await llms["judge"].ask(HELLO)).text


@awaited
async def test_a_refusal_is_an_error_and_is_paid(wire: Wire, kind: str) -> None:
    wire.brain = lambda body: Said(refusal="I would rather not.")
    async with opened(wire, kind) as llms:
        for _ in range(2):  # the second from the cache
            with pytest.raises(RefusalError, match="declined: I would rather not"):
                await llms["judge"].ask(HELLO)
        assert wire.tally.requests == 1
        assert llms.ledger.spent().tokens == wire.tally.tokens


@awaited
async def test_an_answer_that_was_cut_off_is_an_error(wire: Wire, kind: str) -> None:
    wire.brain = lambda body: Said('{"name": "re', cut=True)
    async with opened(wire, kind) as llms:
        with pytest.raises(TruncationError, match="cut off after 100 tokens: raise max_tokens"):
            await llms["judge"].ask(Request((user("hello"),), max_tokens=100, output=Colour))
        assert wire.tally.requests == 1


@awaited
async def test_an_over_long_answer_is_paid_as_counted(wire: Wire, kind: str) -> None:
    said: list[str] = []
    wire.brain = lambda body: Said("long " * 4000)
    async with opened(wire, kind, listener=said.append) as llms:
        reply = await llms["judge"].ask(HELLO)
        assert reply.usage.output == 5001 > HELLO.max_tokens
        assert llms.ledger.spent().tokens == wire.tally.tokens
        assert any("counts more tokens than the request can have had" in text for text in said)


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"prompt_tokens": -5, "completion_tokens": 3, "input_tokens": -5, "output_tokens": 3},
        {"prompt_tokens": "many", "completion_tokens": 3, "input_tokens": "many", "output_tokens": 3},
        {"prompt_tokens": 9, "completion_tokens": 0, "input_tokens": 9, "output_tokens": 0},
        {"prompt_tokens": 0, "completion_tokens": 5, "input_tokens": 0, "output_tokens": 5},
    ],
    ids=["none", "empty", "negative", "words", "no output", "no input"],
)
@awaited
async def test_a_count_that_cannot_be_is_replaced_by_the_worst_case(
    wire: Wire, kind: str, usage: dict[str, object] | None
) -> None:
    said: list[str] = []
    wire.brain = lambda body: Said("fine", usage=usage)
    async with opened(wire, kind, listener=said.append) as llms:
        reply = await llms["judge"].ask(HELLO)
        assert reply.usage.output == HELLO.max_tokens
        assert llms.ledger.spent().tokens == reply.usage.tokens > 100
        assert any("does not count its tokens" in text for text in said)


@awaited
async def test_an_answer_that_does_not_fit_is_asked_for_again(wire: Wire, kind: str) -> None:
    answers = iter(["red, I think", '{"name": "red"}', '```json\n{"name": "red", "shade": 3}\n```'])
    wire.brain = lambda body: Said(next(answers))
    async with opened(wire, kind) as llms:
        reply = await llms["judge"].ask(Request((user("a colour"),), output=Colour))
        assert reply.value == Colour(name="red", shade=3)
        assert reply.repairs == 2
        assert llms.ledger.spent().tokens == wire.tally.tokens == reply.usage.tokens
    told = [str(body["messages"][-1]) for body in wire.bodies]
    assert "JSON" in told[1]
    assert "shade: Field required" in told[2]


@awaited
async def test_an_answer_that_never_fits_names_what_was_wrong(wire: Wire, kind: str) -> None:
    wire.brain = lambda body: Said('{"name": "red", "shade": "dark"}')
    async with opened(wire, kind) as llms:
        with pytest.raises(MisfitError, match=r"3 answers .* the last: shade: Input should be a valid integer"):
            await llms["judge"].ask(Request((user("a colour"),), output=Colour))
        assert wire.tally.requests == 3


BAD_CALLS = {
    "no json": (("paint", '{"name": "re'),),
    "a list": (("paint", "[1, 2]"),),
    "wrong type": (("paint", {"name": "red", "shade": "dark"}),),
    "missing": (("paint", {}),),
    "unknown tool": (("plaster", {"name": "red", "shade": 1}),),
    "one of two": (("paint", {"name": "red", "shade": 1}), ("paint", {"name": "blue"})),
}


@pytest.mark.parametrize("calls", BAD_CALLS.values(), ids=BAD_CALLS)
@awaited
async def test_bad_arguments_are_asked_for_again(wire: Wire, kind: str, calls: tuple[tuple[str, object], ...]) -> None:
    if kind == "anthropic":  # its wire format carries arguments as JSON, so that they are JSON at least
        calls = tuple((name, [1] if isinstance(a, str) else a) for name, a in calls)
    answers = iter([Said(calls=calls), Said("here", calls=(("paint", {"name": "green", "shade": 2}),))])
    wire.brain = lambda body: next(answers)
    async with opened(wire, kind) as llms:
        reply = await llms["judge"].ask(Request((user("paint it"),), tools=(PAINT,)))
        assert [call.arguments for call in reply.calls] == [Colour(name="green", shade=2)]
        assert reply.repairs == 1
        assert reply.text == "here"
    again = wire.bodies[1]["messages"]
    results = again[2:] if kind == "openai" else again[2]["content"]
    assert len(results) == len(calls)  # every call has its result, as both formats demand
    assert all("Not run" in str(result["content"]) for result in results)


@awaited
async def test_an_empty_answer_is_none(wire: Wire, kind: str) -> None:
    answers = iter(["", "  \n", "at last"])
    wire.brain = lambda body: Said(next(answers))
    async with opened(wire, kind) as llms:
        assert (await llms["judge"].ask(HELLO)).text == "at last"


@awaited
async def test_failures_stay_failures_among_many(wire: Wire, kind: str) -> None:
    wire.brain = lambda body: Said(refusal="no") if "3" in str(body["messages"][-1]) else Said("yes")
    async with opened(wire, kind) as llms:
        replies = await llms["judge"].ask_all([Request((user(f"number {i}"),)) for i in range(6)])
    assert [isinstance(reply, AnswerError) for reply in replies] == [i == 3 for i in range(6)]
