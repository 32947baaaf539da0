"""What a model can do: declared, shown by its server, tried out; and what falls back is said once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from autointerp.errors import RequestError
from autointerp.llm import Address, Capability, Request, Tool, open_llms, user
from autointerp.llm._capabilities import declared
from tests.llm.formats import Said
from tests.llm.running import HASTY, awaited
from tests.llm.wire import Wire, Wrong


class Colour(BaseModel):
    name: str


PAINT = Tool("paint", "Paints.", Colour)

#: Field of the body, what asks for it, and how a server complains of it in either format.
REJECTIONS: dict[str, list[tuple[str, dict[str, Any], str, str | None]]] = {
    "openai": [
        ("temperature", {"temperature": 0.0}, "Unsupported value: 'temperature' does not support 0.0", "temperature"),
        ("logprobs", {"logprobs": 2}, "logprobs are not supported with reasoning models", "logprobs"),
        ("seed", {"seed": 1}, "Unrecognized request argument supplied: 'seed'", None),
        ("response_format", {"output": Colour}, "`response_format` is not available", None),
        ("max_tokens", {}, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", "max_tokens"),
        ("max_completion_tokens", {}, "unknown field max_completion_tokens", None),
        ("reasoning_effort", {"effort": "low"}, "Unrecognized argument: reasoning_effort", "reasoning_effort"),
        ("parallel_tool_calls", {"tools": (PAINT,), "parallel_tools": False}, "extra field", "parallel_tool_calls"),
        ("tool_choice", {"tools": (PAINT,), "tool_choice": "required"}, "tool_choice has to be auto", "tool_choice"),
    ],
    "anthropic": [
        ("output_config", {"output": Colour}, "output_config.format: Extra inputs are not permitted", None),
        ("output_config", {"effort": "low"}, "This model does not support the effort parameter.", None),
        ("thinking", {"effort": "none"}, "thinking: this model cannot be told not to think", None),
        ("cache_control", {"reuse_prefix": True}, "cache_control: Extra inputs are not permitted", None),
    ],
}
CASES = [(kind, *case) for kind, cases in REJECTIONS.items() for case in cases]


@pytest.mark.parametrize(("kind", "field", "settings", "message", "parameter"), CASES)
@awaited
async def test_what_a_server_rejects_is_left_out_from_then_on(
    kind: str, field: str, settings: dict[str, Any], message: str, parameter: str | None, tmp_path: Path
) -> None:
    said: list[str] = []
    calls = (("paint", {"name": "red"}),) if "tools" in settings else ()
    with Wire(lambda body: Said('{"name": "red"}', calls=calls)) as wire:
        wire.wrong = lambda number, prompt: (
            Wrong(400, message=message, parameter=parameter) if field in wire.bodies[-1] else None
        )
        for _ in range(2):
            async with open_llms(
                {"judge": wire.address(kind)}, cache=tmp_path / "llm.sqlite", listener=said.append
            ) as llms:
                for number in range(3):
                    text = f"number {len(said)}{number}"
                    await llms["judge"].ask(Request((user(text),), **settings))
        # Rejected once, and remembered over the restart.
        assert sum(field in body for body in wire.bodies) == 1
        assert wire.tally.requests == 7
    assert len(said) == len(set(said)) + (len(said) - len(set(said)))
    told = [text for text in said if "cannot do" in text]
    assert len(told) == (0 if field.startswith("max_") else 2)  # once a run


@awaited
async def test_a_model_that_thinks_takes_tools_when_told_not_to(wire: Wire) -> None:
    wire.brain = lambda body: Said(calls=(("paint", {"name": "red"}),))
    words = "Function tools with reasoning_effort are not supported for this model in chat completions."
    wire.wrong = lambda number, prompt: (
        None if wire.bodies[-1].get("reasoning_effort") == "none" else Wrong(400, message=words)
    )
    said: list[str] = []
    async with open_llms({"judge": wire.address("openai")}, listener=said.append) as llms:
        for i in range(3):
            assert (await llms["judge"].ask(Request((user(f"paint {i}"),), tools=(PAINT,)))).calls
    assert wire.tally.requests == 4
    assert sum("does not think before it calls a tool" in text for text in said) == 1


@awaited
async def test_what_is_not_the_fault_of_a_field_is_an_error(wire: Wire, kind: str) -> None:
    wire.wrong = lambda number, prompt: Wrong(400, message="the seed of all evil is in this prompt")
    async with open_llms({"judge": wire.address(kind)}, listener=lambda text: None) as llms:
        with pytest.raises(RequestError, match="seed of all evil"):
            await llms["judge"].ask(Request((user("hello"),), seed=1, temperature=0.5))
    assert wire.tally.requests == 1


@pytest.mark.parametrize(
    ("model", "able"),
    [
        ("openai:gpt-4o-mini", {"logprobs": True, "temperature": True, "batch": True, "max_tokens": False}),
        ("openai:gpt-6-luna", {"logprobs": False, "temperature": False, "effort": True, "seed": None}),
        ("openai:llama@http://127.0.0.1:1/v1", {"logprobs": None, "batch": None, "json_schema": None}),
        (
            "anthropic:claude-haiku-5-5",
            {"logprobs": False, "temperature": False, "batch": True, "prompt_caching": True},
        ),
        ("anthropic:claude-haiku-5-5@http://127.0.0.1:1", {"logprobs": False, "batch": None}),
    ],
)
def test_what_is_declared(model: str, able: dict[str, bool | None]) -> None:
    address = Address.parse(model)
    known = declared(address, address.url)
    assert {name: known.get(Capability(name)) for name in able} == able


@awaited
async def test_what_is_declared_is_said_and_not_sent(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    async with open_llms({"judge": wire.address("anthropic")}, listener=said.append, patience=HASTY) as llms:
        for i in range(2):
            await llms["judge"].ask(Request((user(f"{i}"),), temperature=0.1, logprobs=5))
    assert {"temperature", "logprobs", "top_logprobs"}.isdisjoint(wire.bodies[0])
    assert len([text for text in said if "cannot do" in text]) == 2


@awaited
async def test_logprobs_that_do_not_come_are_not_there(wire: Wire) -> None:
    wire.brain = lambda body: Said("7", logprobs=False)
    said: list[str] = []
    async with open_llms({"judge": wire.address("openai")}, listener=said.append) as llms:
        judge = llms["judge"]
        reply = await judge.ask(Request((user("a digit"),), logprobs=2))
        assert reply.logprobs is None
        assert await judge.supports(Capability.LOGPROBS) is False
        await judge.ask(Request((user("another"),), logprobs=2))
    assert ["logprobs" in body for body in wire.bodies] == [True, False]
    assert sum("cannot do logprobs" in text for text in said) == 1


@pytest.mark.parametrize("present", [True, False])
@awaited
async def test_trying_it_out(kind: str, present: bool, tmp_path: Path) -> None:
    tried = [Capability.TOOLS, Capability.BATCH, Capability.JSON_SCHEMA, Capability.EFFORT]
    tried += [Capability.LOGPROBS, Capability.SEED, Capability.TEMPERATURE] if kind == "openai" else []
    calls = (("paint", {"colour": "green"}),)

    def brain(body: dict[str, Any]) -> Said:
        return Said(
            '{"colour": "green"}' if present else "no idea",
            calls=calls if present and "tools" in body else (),
            logprobs=present,
        )

    words = {
        "reasoning_effort": "reasoning_effort",
        "seed": "'seed'",
        "temperature": "'temperature'",
        "effort": "effort",
    }

    def wrong(number: int, prompt: str) -> Wrong | None:
        body = wire.bodies[-1] | wire.bodies[-1].get("output_config", {})
        found = [text for field, text in words.items() if field in body]
        return Wrong(400, message=f"not supported: {found[0]}") if found and not present else None

    with Wire(brain) as wire:
        wire.wrong = wrong
        wire.has_batches = present
        for _ in range(2):
            async with open_llms(
                {"judge": wire.address(kind)}, cache=tmp_path / "llm.sqlite", listener=lambda text: None
            ) as llms:
                for capability in tried:
                    assert await llms["judge"].supports(capability) is present, capability
                spent = llms.ledger.spent()
        assert spent.requests == 0  # the second time everything was known
        assert len(wire.tally.delivered) >= len(tried) - 3
