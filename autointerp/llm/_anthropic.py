"""Messages: Anthropic, and gateways that speak its language."""

from __future__ import annotations

import json
import os
from typing import Any

from pydantic import BaseModel

from autointerp.llm._address import Address
from autointerp.llm._answer import Answer, Stop, Usage
from autointerp.llm._anthropic_batch import AnthropicBatches
from autointerp.llm._capabilities import Capabilities, Capability
from autointerp.llm._faults import Received, Rejected
from autointerp.llm._messages import Message, ToolCall
from autointerp.llm._provider import Body
from autointerp.llm._reading import clean, counted, parse
from autointerp.llm._request import Request, json_schema
from autointerp.llm._schema import can_be_strict, in_words, strict
from autointerp.llm._sdk import Connection

SERVER_KEY = "AUTOINTERP_LLM_KEY"
_KEY, _URL = "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"
_STOPS: dict[str | None, Stop] = {
    "end_turn": "end",
    "stop_sequence": "end",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tools",
    "refusal": "refusal",
}
_THOUGHTS = {"thinking", "redacted_thinking"}


class Anthropic:
    """One model behind Messages."""

    def __init__(self, address: Address, timeout: float) -> None:
        import anthropic

        key = os.environ.get(SERVER_KEY if address.url else _KEY) or "none"
        client = anthropic.AsyncAnthropic(
            api_key=key,
            base_url=address.url,
            timeout=timeout,
            max_retries=0,
            http_client=anthropic.DefaultAioHttpClient(),
        )
        self.model = address.model
        self.connection = Connection(anthropic, client, (key if key != "none" else "",), timeout)
        self.batches = AnthropicBatches(self.connection)

    @staticmethod
    def endpoint(address: Address) -> str | None:
        """See Provider."""
        return address.url or os.environ.get(_URL) or None

    @staticmethod
    def key_missing(address: Address) -> str | None:
        """See Provider."""
        return None if Anthropic.endpoint(address) or os.environ.get(_KEY) else _KEY

    def encode(self, request: Request[Any], able: Capabilities) -> Body:
        """See Provider."""
        body: Body = {"model": self.model, "max_tokens": request.max_tokens, "messages": _turns(request.messages)}
        instructions = [m.text for m in request.messages if m.role == "system"]
        schema = None if request.output is None else json_schema(request.output)
        if schema is not None:
            exact = schema.get("type") == "object" and can_be_strict(schema)
            if exact and able.use(Capability.JSON_SCHEMA):
                body["output_config"] = {"format": {"type": "json_schema", "schema": strict(schema)}}
            if not (exact and able.state(Capability.JSON_SCHEMA)):
                instructions.append(in_words(schema))
        if instructions:
            body["system"] = "\n\n".join(instructions)
        if request.tools and able.use(Capability.TOOLS):
            body["tools"] = [
                {"name": t.name, "description": t.description, "input_schema": t.schema} for t in request.tools
            ]
            if choice := _choice(request, able):
                body["tool_choice"] = choice
        for name in (Capability.TEMPERATURE, Capability.SEED, Capability.LOGPROBS):
            if getattr(request, name) is not None:
                able.use(name)  # never there, and said once
        if request.effort is not None and able.use(Capability.EFFORT):
            if request.effort == "none":
                body["thinking"] = {"type": "disabled"}
            else:
                body["output_config"] = body.get("output_config", {}) | {"effort": request.effort}
        if request.reuse_prefix and able.use(Capability.PROMPT_CACHING):
            body["cache_control"] = {"type": "ephemeral"}
        return body

    async def send(self, body: Body, key: str) -> Received:
        """See Provider."""
        return await self.connection.post("/v1/messages", body, {"Idempotency-Key": key})

    def decode(self, body: bytes) -> Answer:
        """See Provider."""
        read = parse(_Message, body, "message")
        kinds = [block.get("type") for block in read.content]
        calls = [
            ToolCall(
                id=str(b.get("id") or i), name=str(b.get("name", "")), arguments=clean(json.dumps(b.get("input", {})))
            )
            for i, b in enumerate(read.content)
            if b.get("type") == "tool_use"
        ]
        stop = _STOPS.get(read.stop_reason, "end")
        refusal = (read.stop_details or {}).get("explanation") or (read.stop_details or {}).get("category") or ""
        return Answer(
            stop="tools" if calls and stop == "end" else stop,
            text=clean("".join(str(b.get("text", "")) for b in read.content if b.get("type") == "text")),
            calls=tuple(calls),
            refusal=clean(str(refusal)) if stop == "refusal" else "",
            usage=_usage(read.usage),
            model=read.model or "",
            # Thoughts are signed, and wanted back unchanged with the turn.
            state=clean(json.dumps(read.content)) if _THOUGHTS & set(kinds) else "",
        )

    def blame(self, rejection: Rejected, body: Body) -> Capability | None:
        """See Provider. Messages names no parameter, but says what it does not like."""
        if rejection.status not in (400, 404, 422):
            return None
        words = rejection.message
        config = body.get("output_config", {})
        suspects = {
            Capability.JSON_SCHEMA: "format" in config
            and any(w in words for w in ("output_config.format", "output_format")),
            Capability.EFFORT: ("effort" in config and "effort" in words)
            or ("thinking" in body and "thinking" in words),
            Capability.PROMPT_CACHING: "cache_control" in body and "cache_control" in words,
            Capability.PARALLEL_TOOLS: "disable_parallel_tool_use" in words and "tool_choice" in body,
            Capability.TOOL_CHOICE: "tool_choice" in words and "tool_choice" in body,
            Capability.TOOLS: "tools" in body and words.startswith("tools"),
        }
        found = next((capability for capability, guilty in suspects.items() if guilty), None)
        if found is None and "format" in config and "output_config" in words:
            return Capability.JSON_SCHEMA
        return found

    async def aclose(self) -> None:
        """See Provider."""
        await self.connection.aclose()


def _turns(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    """User and assistant by turns; all results of a turn's calls in the one turn that follows it."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "system":
            continue
        role = "assistant" if message.role == "assistant" else "user"
        blocks = _blocks(message)
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    return turns


def _blocks(message: Message) -> list[dict[str, Any]]:
    if message.role == "tool":
        result = {"type": "tool_result", "tool_use_id": message.call_id, "content": message.text}
        return [result | ({"is_error": True} if message.failed else {})]
    if message.state:
        blocks: list[dict[str, Any]] = json.loads(message.state)
        return blocks
    text = [{"type": "text", "text": message.text}] if message.text or not message.calls else []
    return [*text, *(_use(call) for call in message.calls)]


def _use(call: ToolCall) -> dict[str, Any]:
    try:
        arguments = json.loads(call.arguments or "{}")
    except ValueError:
        arguments = {}
    return {
        "type": "tool_use",
        "id": call.id,
        "name": call.name,
        "input": arguments if isinstance(arguments, dict) else {},
    }


def _choice(request: Request[Any], able: Capabilities) -> dict[str, Any] | None:
    kind = {"auto": "auto", "required": "any", "none": "none"}[request.tool_choice]
    if kind != "auto" and not able.use(Capability.TOOL_CHOICE):
        kind = "auto"
    single = not request.parallel_tools and kind != "none" and able.use(Capability.PARALLEL_TOOLS)
    if single:
        return {"type": kind, "disable_parallel_tool_use": True}
    return None if kind == "auto" else {"type": kind}


class _Message(BaseModel):
    content: list[dict[str, Any]]
    stop_reason: str | None = None
    stop_details: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    model: str | None = None


def _usage(found: dict[str, Any] | None) -> Usage | None:
    """The server's count; None where it is none."""
    if found is None:
        return None
    fresh, output = counted(found.get("input_tokens")), counted(found.get("output_tokens"))
    read = counted(found.get("cache_read_input_tokens") or 0)
    written = counted(found.get("cache_creation_input_tokens") or 0)
    if fresh is None or output is None or read is None or written is None or not fresh + read + written:
        return None
    return Usage(input=fresh, cache_read=read, cache_write=written, output=output)
