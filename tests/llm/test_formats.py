"""What goes over the wire for both providers, and what is read from it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from pydantic import BaseModel

from autointerp.llm import Capability, LLMs, Request, TokenLogprobs, Tool, open_llms, system, tool_result, user
from autointerp.llm._provider import Body
from tests.llm.formats import Said
from tests.llm.running import HASTY, awaited
from tests.llm.wire import Wire


class Colour(BaseModel):
    name: str


SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
PAINT, WASH = Tool("paint", "Paints.", Colour), Tool("wash", "Washes.", Colour)


def opened(wire: Wire, kind: str, **able: bool) -> LLMs:
    llms = open_llms({"judge": wire.address(kind)}, patience=HASTY, listener=lambda text: None)
    for name, yes in able.items():
        llms["judge"].line.able.learn(Capability(name), yes)
    return llms


@awaited
async def test_instructions_come_first(wire: Wire, kind: str) -> None:
    async with opened(wire, kind) as llms:
        await llms["judge"].ask(Request((system("be brief"), user("hello")), max_tokens=7))
    body = wire.bodies[0]
    if kind == "openai":
        assert body["messages"] == [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}]
        assert body["max_completion_tokens"] == body["max_tokens"] == 7
    else:
        assert body["system"] == "be brief"
        assert body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]
        assert body["max_tokens"] == 7
    assert set(body) <= {"model", "messages", "max_tokens", "max_completion_tokens", "system"}


@awaited
async def test_tools_are_called_and_their_results_go_back(wire: Wire, kind: str) -> None:
    calls = (("paint", {"name": "red"}), ("wash", {"name": "blue"}))
    turns = iter([Said("at once", calls=calls), Said("both are done")])
    wire.brain = lambda body: next(turns)
    request = Request((user("do it"),), tools=(PAINT, WASH))
    async with opened(wire, kind) as llms:
        first = await llms["judge"].ask(request)
        assert [(call.name, call.arguments) for call in first.calls] == [
            ("paint", Colour(name="red")),
            ("wash", Colour(name="blue")),
        ]
        assert first.value is None
        results = [tool_result(first.calls[0].id, "painted"), tool_result(first.calls[1].id, "no water", failed=True)]
        second = await llms["judge"].ask(request.followed_by((first.message, *results)))
        assert second.text == "both are done"
    messages = wire.bodies[1]["messages"]
    ids = [call.id for call in first.calls]
    if kind == "openai":
        assert [m["role"] for m in messages] == ["user", "assistant", "tool", "tool"]
        assert [c["id"] for c in messages[1]["tool_calls"]] == [m["tool_call_id"] for m in messages[2:]] == ids
        assert json.loads(messages[1]["tool_calls"][0]["function"]["arguments"]) == {"name": "red"}
        assert wire.bodies[0]["tools"][0]["function"]["parameters"] == SCHEMA
    else:
        # All results in the one turn that follows, as Messages demands.
        assert [m["role"] for m in messages] == ["user", "assistant", "user"]
        assert [b["id"] for b in messages[1]["content"] if b["type"] == "tool_use"] == ids
        assert [b["tool_use_id"] for b in messages[2]["content"]] == ids
        assert messages[2]["content"][1]["is_error"] is True
        assert wire.bodies[0]["tools"][0]["input_schema"] == SCHEMA


@awaited
async def test_thoughts_go_back_unchanged(wire: Wire) -> None:
    turns = iter([Said("wait", calls=(("paint", {"name": "red"}),), thoughts="hm, red"), Said("done")])
    wire.brain = lambda body: next(turns)
    request = Request((user("do it"),), tools=(PAINT,))
    async with opened(wire, "anthropic") as llms:
        first = await llms["judge"].ask(request)
        assert first.text == "wait"
        await llms["judge"].ask(request.followed_by((first.message, tool_result(first.calls[0].id, "ok"))))
    sent = wire.bodies[1]["messages"][1]["content"]
    assert [block["type"] for block in sent] == ["thinking", "text", "tool_use"]
    assert sent[0] == {"type": "thinking", "thinking": "hm, red", "signature": "c2lnbmVk"}


@pytest.mark.parametrize(
    ("settings", "openai", "anthropic"),
    [
        ({"tool_choice": "required"}, {"tool_choice": "required"}, {"tool_choice": {"type": "any"}}),
        ({"tool_choice": "none"}, {"tool_choice": "none"}, {"tool_choice": {"type": "none"}}),
        (
            {"parallel_tools": False},
            {"parallel_tool_calls": False},
            {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        ),
        ({"temperature": 0.5, "seed": 3}, {"temperature": 0.5, "seed": 3}, {}),
        ({"effort": "low"}, {"reasoning_effort": "low"}, {"output_config": {"effort": "low"}}),
        ({"effort": "none"}, {"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        ({"reuse_prefix": True}, {}, {"cache_control": {"type": "ephemeral"}}),
        ({"logprobs": 0}, {"logprobs": True}, {}),
        ({"logprobs": 3}, {"logprobs": True, "top_logprobs": 3}, {}),
    ],
)
@awaited
async def test_settings(wire: Wire, kind: str, settings: dict[str, Any], openai: Body, anthropic: Body) -> None:
    wire.brain = lambda body: Said(
        "ok", calls=(("paint", {"name": "red"}),) if settings.get("tool_choice") != "none" else ()
    )
    request = Request((user("do it"),), tools=(PAINT,), **settings)
    plain = Request((user("do something"),), tools=(PAINT,))
    async with opened(wire, kind) as llms:
        await llms["judge"].ask(request)
        await llms["judge"].ask(plain)
    first, second = ({n: v for n, v in body.items() if n != "messages"} for body in wire.bodies)
    changed = {name: value for name, value in first.items() if second.get(name) != value}
    assert changed == (openai if kind == "openai" else anthropic)


@awaited
async def test_a_schema_that_is_heeded_is_not_repeated_in_words(wire: Wire, kind: str) -> None:
    wire.brain = lambda body: Said('{"name": "red"}')
    async with opened(wire, kind, json_schema=True) as llms:
        reply = await llms["judge"].ask(Request((user("a colour"),), output=Colour))
        assert reply.value == Colour(name="red")
    assert "JSON schema" not in json.dumps(wire.bodies[0]["messages"]) + str(wire.bodies[0].get("system"))


@awaited
async def test_where_there_are_no_schemas_they_are_in_words(wire: Wire, kind: str) -> None:
    wire.brain = lambda body: Said('{"name": "red"}')
    async with opened(wire, kind, json_schema=False) as llms:
        reply = await llms["judge"].ask(Request((system("be brief"), user("a colour")), output=Colour))
        assert reply.value == Colour(name="red")
    body = wire.bodies[0]
    told = body["messages"][0]["content"] if kind == "openai" else body["system"]
    assert told.startswith("be brief\n\nAnswer with one JSON value")
    assert "response_format" not in body
    assert "output_config" not in body


@awaited
async def test_a_type_that_is_no_object_is_asked_for_in_words(wire: Wire, kind: str) -> None:
    wire.brain = lambda body: Said("[3, 1, 0]")
    async with opened(wire, kind, json_schema=True) as llms:
        reply = await llms["judge"].ask(Request((user("numbers"),), output=list[int]))
        assert reply.value == [3, 1, 0]
    assert "response_format" not in wire.bodies[0]
    assert "output_config" not in wire.bodies[0]


@awaited
async def test_logprobs_come_with_the_answer(wire: Wire) -> None:
    wire.brain = lambda body: Said("7")
    async with opened(wire, "openai") as llms:
        reply = await llms["judge"].ask(Request((user("a digit"),), logprobs=2))
        assert reply.logprobs == (TokenLogprobs(token="7", logprob=-0.1, top=(("7", -0.1), ("?", -2.5))),)


@awaited
async def test_what_was_read_from_the_prompt_cache_is_cheaper(wire: Wire, kind: str) -> None:
    wire.brain = lambda body: Said("ok", cached=10)
    model = "gpt-4o" if kind == "openai" else "claude-haiku-4-5"
    async with open_llms({"judge": wire.address(kind, model)}, listener=lambda text: None) as llms:
        reply = await llms["judge"].ask(Request((user("hello"),)))
        usage = reply.usage
        assert usage.cache_read == 10
        assert usage.tokens == wire.tally.tokens
        fresh, cached, output = (2.5, 1.25, 10.0) if kind == "openai" else (1.0, 0.1, 5.0)
        expected = (usage.input * fresh + 10 * cached + usage.output * output) / 1e6
        assert reply.dollars == pytest.approx(expected, rel=1e-12)


@awaited
async def test_one_call_where_one_was_wanted(wire: Wire, kind: str) -> None:
    wire.brain = lambda body: Said(calls=(("paint", {"name": "red"}), ("wash", {"name": "blue"})))
    async with opened(wire, kind, parallel_tools=False) as llms:
        reply = await llms["judge"].ask(Request((user("do one"),), tools=(PAINT, WASH), parallel_tools=False))
        assert [call.name for call in reply.calls] == ["paint"]
        assert len(reply.message.calls) == 1


@awaited
async def test_text_that_no_file_can_hold_is_mended(wire: Wire, kind: str) -> None:
    wire.brain = lambda body: Said("a\ud800b\x00c")
    async with opened(wire, kind) as llms:
        reply = await llms["judge"].ask(Request((user("x\udfffy"),)))
        assert reply.text == "a?b\x00c"
        assert (await llms["judge"].ask(Request((user("x\udfffy"),)))).cached


@awaited
async def test_many_go_at_once_and_no_more_than_allowed(kind: str) -> None:
    with Wire(latency=0.05) as wire:
        async with open_llms({"judge": wire.address(kind)}, concurrency=8, listener=lambda text: None) as llms:
            await asyncio.gather(*(llms["judge"].ask(Request((user(f"{i}"),))) for i in range(40)))
        assert 6 <= wire.most_together <= 8
