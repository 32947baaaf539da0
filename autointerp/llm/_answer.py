"""What a provider gave back, in one shape for all, and what the caller gets of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, Field

from autointerp.llm._messages import Message, ToolCall
from autointerp.llm._value import Value

T = TypeVar("T")
Stop = Literal["end", "tools", "length", "refusal"]


class Usage(Value):
    """Tokens of one answer as the server counted them. The four are disjoint; their sum is what went through the model.

    `input` leaves out what was read from or written to the provider's prompt cache; `output` includes thoughts.
    """

    input: int = Field(default=0, ge=0)
    cache_read: int = Field(default=0, ge=0)
    cache_write: int = Field(default=0, ge=0)
    output: int = Field(default=0, ge=0)

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.prompt + self.output

    @property
    def prompt(self) -> int:
        """Those that were sent, whatever they cost."""
        return self.input + self.cache_read + self.cache_write

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input=self.input + other.input,
            cache_read=self.cache_read + other.cache_read,
            cache_write=self.cache_write + other.cache_write,
            output=self.output + other.output,
        )


class TokenLogprobs(Value):
    """One token of the answer, its log-probability, and the likeliest alternatives as (token, log-probability)."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


class Answer(Value):
    """One answer, whole and unjudged: what the cache holds. `usage` is None where the server's count was no count."""

    stop: Stop
    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    refusal: str = ""
    logprobs: tuple[TokenLogprobs, ...] | None = None
    usage: Usage | None = None
    model: str = ""
    state: str = ""

    @property
    def message(self) -> Message:
        """The answer as a turn of the conversation."""
        return Message(role="assistant", text=self.text, calls=self.calls, state=self.state)


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a tool whose arguments fit the tool's type."""

    id: str
    name: str
    arguments: BaseModel


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """An answer that is what was asked for.

    `value` is the wanted type; None where none was wanted, or where the model called tools instead. `usage` and `dollars`
    are what the whole exchange cost now: nothing where `cached`. `dollars` is None where no price is known. `repairs`
    counts how often the model had to be asked again. `message` continues the conversation.
    """

    text: str
    value: T | None
    calls: tuple[Call, ...]
    message: Message
    logprobs: tuple[TokenLogprobs, ...] | None
    usage: Usage
    dollars: float | None
    cached: bool
    repairs: int
    key: str
    template: str
