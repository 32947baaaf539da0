"""Chat Completions: OpenAI, and the many servers that speak its language (vLLM, Ollama, llama.cpp, …)."""

from __future__ import annotations

import os
from typing import Any

from pydantic import BaseModel, Field

from autointerp.llm._address import Address
from autointerp.llm._answer import Answer, Stop, TokenLogprobs, Usage
from autointerp.llm._capabilities import Capabilities, Capability
from autointerp.llm._faults import Received, Rejected
from autointerp.llm._messages import Message, ToolCall
from autointerp.llm._openai_batch import OpenAIBatches
from autointerp.llm._provider import Body
from autointerp.llm._reading import clean, counted, parse
from autointerp.llm._request import Request, json_schema
from autointerp.llm._schema import can_be_strict, in_words, strict
from autointerp.llm._sdk import Connection

#: For a server of one's own. The key for OpenAI is for OpenAI, and for whom OPENAI_BASE_URL names.
SERVER_KEY = "AUTOINTERP_LLM_KEY"
_KEY, _URL = "OPENAI_API_KEY", "OPENAI_BASE_URL"
_STOPS: dict[str | None, Stop] = {
    "stop": "end",
    "length": "length",
    "tool_calls": "tools",
    "function_call": "tools",
    "content_filter": "refusal",
}

#: What a server may reject, by the field of the body that it complains of. The first that fits is blamed.
_FIELDS = {
    "response_format": Capability.JSON_SCHEMA,
    "parallel_tool_calls": Capability.PARALLEL_TOOLS,
    "tool_choice": Capability.TOOL_CHOICE,
    "logprobs": Capability.LOGPROBS,
    "top_logprobs": Capability.LOGPROBS,
    "temperature": Capability.TEMPERATURE,
    "seed": Capability.SEED,
    "reasoning_effort": Capability.EFFORT,
    "max_tokens": Capability.MAX_TOKENS,
    "max_completion_tokens": Capability.MAX_COMPLETION_TOKENS,
    "tools": Capability.TOOLS,
}


class OpenAI:
    """One model behind Chat Completions."""

    def __init__(self, address: Address, timeout: float) -> None:
        import openai

        key = os.environ.get(SERVER_KEY if address.url else _KEY) or "none"
        client = openai.AsyncOpenAI(
            api_key=key,
            base_url=address.url,
            timeout=timeout,
            max_retries=0,
            http_client=openai.DefaultAioHttpClient(),
        )
        self.model = address.model
        self.connection = Connection(openai, client, (key if key != "none" else "",), timeout)
        self.batches = OpenAIBatches(self.connection)

    @staticmethod
    def endpoint(address: Address) -> str | None:
        """See Provider."""
        return address.url or os.environ.get(_URL) or None

    @staticmethod
    def key_missing(address: Address) -> str | None:
        """See Provider. A server of one's own mostly wants none."""
        return None if OpenAI.endpoint(address) or os.environ.get(_KEY) else _KEY

    def encode(self, request: Request[Any], able: Capabilities) -> Body:
        """See Provider."""
        body: Body = {"model": self.model, "messages": _messages(request, able)}
        for name in (Capability.MAX_COMPLETION_TOKENS, Capability.MAX_TOKENS):
            # A server that does not know the one ignores it; with neither, the answer would have no limit.
            if able.use(name):
                body[str(name)] = request.max_tokens
        if request.tools and able.use(Capability.TOOLS):
            body["tools"] = [
                {"type": "function", "function": {"name": t.name, "description": t.description, "parameters": t.schema}}
                for t in request.tools
            ]
            if request.tool_choice != "auto" and able.use(Capability.TOOL_CHOICE):
                body["tool_choice"] = request.tool_choice
            if not request.parallel_tools and able.use(Capability.PARALLEL_TOOLS):
                body["parallel_tool_calls"] = False
        schema = _constrained(request)
        if schema is not None and able.use(Capability.JSON_SCHEMA):
            exact = can_be_strict(schema)
            wanted = {"name": "answer", "schema": strict(schema) if exact else schema, "strict": exact}
            body["response_format"] = {"type": "json_schema", "json_schema": wanted}
        body |= _settings(request, able)
        if "tools" in body and not able.use(Capability.TOOLS_WHILE_THINKING):
            body["reasoning_effort"] = "none"
        return body

    async def send(self, body: Body, key: str) -> Received:
        """See Provider."""
        return await self.connection.post("/chat/completions", body, {"Idempotency-Key": key})

    def decode(self, body: bytes) -> Answer:
        """See Provider."""
        read = parse(_Completion, body, "chat completion")
        choice = read.choices[0]
        message = choice.message
        calls = tuple(
            ToolCall(id=call.id or f"call_{i}", name=call.function.name, arguments=clean(call.function.arguments))
            for i, call in enumerate(message.tool_calls or ())
        )
        stop: Stop = _STOPS.get(choice.finish_reason, "end")
        if message.refusal:
            stop = "refusal"
        elif calls and stop == "end":
            stop = "tools"
        return Answer(
            stop=stop,
            text=clean(message.content or ""),
            calls=calls,
            refusal=clean(message.refusal or ""),
            logprobs=None if choice.logprobs is None else tuple(map(_token, choice.logprobs.content or ())),
            usage=_usage(read.usage),
            model=read.model or "",
        )

    def blame(self, rejection: Rejected, body: Body) -> Capability | None:
        """See Provider."""
        if rejection.status not in (400, 404, 422, 501):
            return None
        words = f"{rejection.parameter} {rejection.message}"
        if "tools" in body and "reasoning_effort" not in body and "reasoning_effort" in words:
            return Capability.TOOLS_WHILE_THINKING
        # Longer names first: `max_tokens` is in "use max_completion_tokens instead of max_tokens", and so on.
        exact = [c for field, c in _FIELDS.items() if field == rejection.parameter and field in body]
        named = [c for field, c in _FIELDS.items() if field in body and _names(words, field)]
        return next(iter(exact or named), None)

    async def aclose(self) -> None:
        """See Provider."""
        await self.connection.aclose()


def _names(words: str, field: str) -> bool:
    """Whether a message names a field: in quotes where its name is also an ordinary word."""
    return any(f"{q}{field}{q}" in words for q in ("'", '"', "`")) or ("_" in field and field in words.split())


def _constrained(request: Request[Any]) -> dict[str, Any] | None:
    """The schema that decoding can be held to: that of an object."""
    schema = None if request.output is None else json_schema(request.output)
    return schema if schema is not None and schema.get("type") == "object" else None


def _messages(request: Request[Any], able: Capabilities) -> list[dict[str, Any]]:
    found = [_message(message) for message in request.messages]
    if request.output is not None:
        held = _constrained(request) is not None and able.state(Capability.JSON_SCHEMA)
        # Many servers take the schema and ignore it, so that only one known to heed it is spared the words.
        if not held:
            words = in_words(json_schema(request.output))
            if found[0]["role"] == "system":
                found[0] = found[0] | {"content": f"{found[0]['content']}\n\n{words}"}
            else:
                found.insert(0, {"role": "system", "content": words})
    return found


def _message(message: Message) -> dict[str, Any]:
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.call_id, "content": message.text}
    if not message.calls:
        return {"role": message.role, "content": message.text}
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in message.calls
    ]
    return {"role": "assistant", "content": message.text or None, "tool_calls": calls}


def _settings(request: Request[Any], able: Capabilities) -> Body:
    body: Body = {}
    if request.temperature is not None and able.use(Capability.TEMPERATURE):
        body["temperature"] = request.temperature
    if request.seed is not None and able.use(Capability.SEED):
        body["seed"] = request.seed
    if request.effort is not None and able.use(Capability.EFFORT):
        body["reasoning_effort"] = request.effort
    if request.logprobs is not None and able.use(Capability.LOGPROBS):
        body["logprobs"] = True
        if request.logprobs:
            body["top_logprobs"] = request.logprobs
    return body


class _Function(BaseModel):
    name: str
    arguments: str = ""


class _Call(BaseModel):
    id: str | None = None
    function: _Function


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None


class _Alternative(BaseModel):
    token: str
    logprob: float


class _Token(_Alternative):
    top_logprobs: list[_Alternative] = Field(default_factory=list)


class _Logprobs(BaseModel):
    content: list[_Token] | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Completion(BaseModel):
    choices: list[_Choice] = Field(min_length=1)
    usage: dict[str, Any] | None = None
    model: str | None = None


def _token(token: _Token) -> TokenLogprobs:
    top = tuple((clean(other.token), other.logprob) for other in token.top_logprobs)
    return TokenLogprobs(token=clean(token.token), logprob=token.logprob, top=top)


def _usage(found: dict[str, Any] | None) -> Usage | None:
    """The server's count; None where it is none. `prompt_tokens` includes what was cached, `completion_tokens` thoughts."""
    if found is None:
        return None
    details = found.get("prompt_tokens_details") or {}
    prompt, output = counted(found.get("prompt_tokens")), counted(found.get("completion_tokens"))
    read, written = counted(details.get("cached_tokens") or 0), counted(details.get("cache_write_tokens") or 0)
    if prompt is None or output is None or read is None or written is None or read + written > prompt or not prompt:
        return None
    return Usage(input=prompt - read - written, cache_read=read, cache_write=written, output=output)
