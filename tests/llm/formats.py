"""The two wire formats, seen from the server's side."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Wireformat = Literal["openai", "anthropic"]


@dataclass(frozen=True)
class Said:
    """What the model behind the server answers. `usage` replaces the server's count by another (None: left out)."""

    text: str = ""
    calls: tuple[tuple[str, Any], ...] = ()
    refusal: str = ""
    cut: bool = False
    usage: Mapping[str, Any] | Literal["counted"] | None = "counted"
    logprobs: bool = True
    cached: int = 0
    thoughts: str = ""


@dataclass(frozen=True)
class Counted:
    """Tokens by the server's own count: four bytes each."""

    prompt: int
    output: int


def count(body: Mapping[str, Any], said: Said) -> Counted:
    output = len(said.text) + len(json.dumps(said.calls)) + len(said.refusal)
    return Counted(len(json.dumps(body)) // 4 + 1, output // 4 + 1)


def prompt_of(body: Mapping[str, Any]) -> str:
    """The text of the last turn, in either format."""
    content = body["messages"][-1]["content"]
    if isinstance(content, str):
        return content
    return "\n".join(str(b.get("text", b.get("content", ""))) for b in content)


def answer(kind: Wireformat, body: Mapping[str, Any], said: Said, number: int) -> dict[str, Any]:
    return (_completion if kind == "openai" else _message)(body, said, number)


def error(kind: Wireformat, status: int, message: str, code: str = "", parameter: str | None = None) -> dict[str, Any]:
    types = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}
    name = types.get(status, "overloaded_error" if status == 529 else "api_error")
    if kind == "openai":
        return {"error": {"message": message, "type": name, "param": parameter, "code": code or None}}
    details = {"details": {"error_code": code}} if code else {}
    return {"type": "error", "error": {"type": name, "message": message, **details}}


def _completion(body: Mapping[str, Any], said: Said, number: int) -> dict[str, Any]:
    counted = count(body, said)
    message: dict[str, Any] = {"role": "assistant", "content": said.text or None, "refusal": said.refusal or None}
    if said.calls:
        message["tool_calls"] = [
            {
                "id": f"call_{number}_{i}",
                "type": "function",
                "function": {"name": name, "arguments": a if isinstance(a, str) else json.dumps(a)},
            }
            for i, (name, a) in enumerate(said.calls)
        ]
    usage: Any = {
        "prompt_tokens": counted.prompt,
        "completion_tokens": counted.output,
        "total_tokens": counted.prompt + counted.output,
        "prompt_tokens_details": {"cached_tokens": said.cached},
    }
    logprobs = None
    if body.get("logprobs") and said.logprobs:
        tops = [{"token": said.text[:1], "logprob": -0.1}, {"token": "?", "logprob": -2.5}][
            : body.get("top_logprobs", 0)
        ]
        logprobs = {"content": [{"token": said.text[:1], "logprob": -0.1, "top_logprobs": tops}]}
    reason = "length" if said.cut else "tool_calls" if said.calls else "stop"
    found: dict[str, Any] = {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 1,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": reason, "logprobs": logprobs}],
        "usage": usage if said.usage == "counted" else said.usage,
    }
    return found


def _message(body: Mapping[str, Any], said: Said, number: int) -> dict[str, Any]:
    counted = count(body, said)
    blocks: list[dict[str, Any]] = []
    if said.thoughts:
        blocks.append({"type": "thinking", "thinking": said.thoughts, "signature": "c2lnbmVk"})
    if said.text:
        blocks.append({"type": "text", "text": said.text})
    blocks += [
        {"type": "tool_use", "id": f"toolu_{number}_{i}", "name": name, "input": arguments}
        for i, (name, arguments) in enumerate(said.calls)
    ]
    usage: Any = {
        "input_tokens": counted.prompt - said.cached,
        "cache_read_input_tokens": said.cached,
        "output_tokens": counted.output,
    }
    reason = "refusal" if said.refusal else "max_tokens" if said.cut else "tool_use" if said.calls else "end_turn"
    return {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": blocks,
        "stop_reason": reason,
        "stop_details": {"type": "refusal", "category": None, "explanation": said.refusal} if said.refusal else None,
        "stop_sequence": None,
        "usage": usage if said.usage == "counted" else said.usage,
    }
