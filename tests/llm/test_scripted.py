"""The scripted model is an `LLM` in everything but the wire."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from autointerp.errors import (
    BudgetError,
    MisfitError,
    RefusalError,
    ReplayError,
    RequestError,
    TruncationError,
    UnavailableError,
)
from autointerp.llm import Answer, Broken, Budget, Capability, Limited, Reply, Request, Tool, tool_result, user
from autointerp.testing import Calls, ScriptedLLM
from tests.llm.running import awaited


class Colour(BaseModel):
    name: str


PAINT = Tool("paint", "Paints.", Colour)
HELLO = Request((user("hello"),))


@awaited
async def test_it_says_what_the_script_says() -> None:
    llm = ScriptedLLM(["hi", Colour(name="red"), Calls((("paint", {"name": "blue"}),), text="now")])
    assert (await llm.ask(HELLO)).text == "hi"
    assert (await llm.ask(Request((user("a colour"),), output=Colour))).value == Colour(name="red")
    reply = await llm.ask(Request((user("paint"),), tools=(PAINT,)))
    assert [call.arguments for call in reply.calls] == [Colour(name="blue")]
    assert [request.messages[-1].text for request in llm.requests] == ["hello", "a colour", "paint"]
    with pytest.raises(RequestError, match="no further answer"):
        await llm.ask(Request((user("and now?"),)))


@awaited
async def test_a_script_may_be_a_function() -> None:
    llm = ScriptedLLM(lambda request: request.messages[-1].text.upper())
    replies = await llm.ask_all([Request((user(text),)) for text in ("a", "b")], batch=True)
    assert [reply.text for reply in replies if isinstance(reply, Reply)] == ["A", "B"]
    assert (
        llm.notices
        == [
            "no price is known for scripted:model: its tokens are counted, its dollars are not",
            *[text for text in llm.notices if "cannot do batch" in text],
        ]
        or len(llm.notices) == 2
    )


@awaited
async def test_answers_are_checked_as_anywhere() -> None:
    llm = ScriptedLLM(["red", '{"name": "red"}', Calls((("paint", "{}"),)), Calls((("paint", {"name": "red"}),))])
    assert (await llm.ask(Request((user("a colour"),), output=Colour))).repairs == 1
    called = await llm.ask(Request((user("paint"),), tools=(PAINT,)))
    assert called.repairs == 1
    assert called.message.calls[0].id == called.calls[0].id
    with pytest.raises(MisfitError):
        await ScriptedLLM(["red"] * 3).ask(Request((user("a colour"),), output=Colour))
    with pytest.raises(RefusalError, match="rather not"):
        await ScriptedLLM([Answer(stop="refusal", refusal="I would rather not")]).ask(HELLO)
    with pytest.raises(TruncationError):
        await ScriptedLLM([Answer(stop="length", text="and th")]).ask(HELLO)


@awaited
async def test_attempts_fail_and_are_repeated_at_once() -> None:
    llm = ScriptedLLM([Limited("slow down", after=0.0), Broken("oops"), "hi"])
    assert (await llm.ask(HELLO)).text == "hi"
    with pytest.raises(UnavailableError):
        await ScriptedLLM([Broken("oops")] * 20).ask(HELLO)


@awaited
async def test_budget_cache_and_replay_are_real(tmp_path: Path) -> None:
    cache = tmp_path / "llm.sqlite"
    llm = ScriptedLLM(["hi"], cache=cache)
    await llm.ask(HELLO)
    assert (await llm.ask(HELLO)).cached
    assert llm.desk.ledger.spent().requests == 1
    again = ScriptedLLM([], cache=cache, replay=True)
    assert (await again.ask(HELLO)).text == "hi"
    with pytest.raises(ReplayError):
        await again.ask(Request((user("other"),)))
    with pytest.raises(BudgetError):
        await ScriptedLLM(["hi"], budget=Budget(tokens=5)).ask(HELLO)


@awaited
async def test_it_can_do_what_it_is_said_to_be_able_to() -> None:
    llm = ScriptedLLM(["hi"], without={Capability.LOGPROBS})
    assert await llm.supports(Capability.TOOLS)
    assert not await llm.supports(Capability.LOGPROBS)
    await llm.ask(Request((user("hello"),), logprobs=3))
    assert any("cannot do logprobs" in text for text in llm.notices)


@awaited
async def test_a_conversation_goes_on() -> None:
    llm = ScriptedLLM([Calls((("paint", {"name": "red"}),)), "painted it red"])
    request = Request((user("paint"),), tools=(PAINT,))
    first = await llm.ask(request)
    second = await llm.ask(request.followed_by((first.message, tool_result(first.calls[0].id, "done"))))
    assert second.text == "painted it red"
    assert [message.role for message in llm.requests[1].messages] == ["user", "assistant", "tool"]
