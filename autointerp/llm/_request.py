"""What a model is asked: one type for every provider."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, Generic, Literal, TypeVar

from pydantic import BaseModel, TypeAdapter

from autointerp.llm._messages import Message
from autointerp.llm._schema import untitled

T = TypeVar("T")
Effort = Literal["none", "low", "medium", "high"]
ToolChoice = Literal["auto", "required", "none"]

#: Part of every key: raised when a request would be put to a model in other words than before.
KEY_FORMAT: Final = 1
_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Tool:
    """Something the model may call: a name, a description for the model, and the type of its arguments."""

    name: str
    description: str
    arguments: type[BaseModel]

    def __post_init__(self) -> None:
        if not _TOOL_NAME.fullmatch(self.name):
            raise ValueError(f"a tool cannot be called {self.name!r}: 1 to 64 letters, digits, _ or -")

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the arguments."""
        return json_schema(self.arguments)


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """One question to a model, with everything that decides the answer, and nothing about who answers.

    Parameters
    ----------
    messages: the conversation so far.
    max_tokens: the most the answer may have, thoughts included. The worst case of the cost is computed from it.
    output: the type wanted back, anything that pydantic can validate; None for plain text.
    tools: what the model may call; `tool_choice` and `parallel_tools` say whether it must, and whether several at once.
    temperature, seed, effort: None leaves them to the provider. A model that has no such knob is asked without it.
    logprobs: how many alternatives to give with every token of the answer, 0 for the tokens alone; None for no
        log-probabilities.
    reuse_prefix: the conversation will be continued or its beginning used again, so the provider may keep it at hand.
    sample: number of the draw where the same question is to be answered several times over.
    template: which prompt template this was made from, as the record will name it.
    """

    messages: tuple[Message, ...]
    max_tokens: int = 2048
    output: type[T] | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = "auto"
    parallel_tools: bool = True
    temperature: float | None = None
    seed: int | None = None
    effort: Effort | None = None
    logprobs: int | None = None
    reuse_prefix: bool = False
    sample: int = 0
    template: str = ""

    def __post_init__(self) -> None:
        for field in ("messages", "tools"):
            object.__setattr__(self, field, tuple(getattr(self, field)))
        if not self.messages:
            raise ValueError("a request needs at least one message")
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens is {self.max_tokens}: at least 1")
        names = [tool.name for tool in self.tools]
        if len(set(names)) < len(names):
            raise ValueError(f"two tools of one name among {', '.join(names)}")
        if self.tool_choice == "required" and not self.tools:
            raise ValueError("a tool is required and none is given")

    def followed_by(self, messages: Iterable[Message]) -> Request[T]:
        """The same request, the conversation continued."""
        return replace(self, messages=(*self.messages, *messages))

    def content(self) -> str:
        """All that decides the answer, as JSON text: what a key is computed from, and what the cache shows."""
        values = {
            "messages": [m.model_dump(exclude_defaults=True) for m in self.messages],
            "max_tokens": self.max_tokens,
            "output": None if self.output is None else json_schema(self.output),
            "tools": [{"name": t.name, "description": t.description, "arguments": t.schema} for t in self.tools],
            "tool_choice": self.tool_choice,
            "parallel_tools": self.parallel_tools,
            "temperature": self.temperature,
            "seed": self.seed,
            "effort": self.effort,
            "logprobs": self.logprobs,
            "sample": self.sample,
        }
        # Sorted, so that equal requests are equal texts.
        text = json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "replace").decode("utf-8")


def key_of(address: str, content: str) -> str:
    """The name of an answer in the cache: SHA-256 over the model's address and the content of the request."""
    return hashlib.sha256(f"{KEY_FORMAT}\n{address}\n{content}".encode()).hexdigest()


def adapter(output: Any) -> TypeAdapter[Any]:
    """Pydantic's validator of a type."""
    return _made(output)[0]


def json_schema(output: Any) -> dict[str, Any]:
    """JSON schema of a type."""
    return _made(output)[1]


@lru_cache(maxsize=256)
def _made(output: Any) -> tuple[TypeAdapter[Any], dict[str, Any]]:
    # Kept: making them costs more than a request does.
    made: TypeAdapter[Any] = TypeAdapter(output)
    return made, untitled(made.json_schema())
