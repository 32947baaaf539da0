"""A conversation: messages, calls of tools, and their results."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from autointerp.llm._value import Value

Role = Literal["system", "user", "assistant", "tool"]


class ToolCall(Value):
    """A call as the model wrote it. `arguments` is JSON text, which need not be valid."""

    id: str
    name: str
    arguments: str


class Message(Value):
    """One turn. `calls` occur in the assistant's, `call_id` names the call whose result a tool's turn is.

    `state` is what the provider wants back unread with the assistant's turn (its signed thoughts, for one); only the
    provider that gave it reads it.
    """

    role: Role
    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    call_id: str | None = None
    failed: bool = False
    state: str = ""

    @field_validator("text")
    @classmethod
    def _encodable(cls, text: str) -> str:
        # Texts of a corpus may hold lone surrogates, which no JSON on the wire can carry.
        return text.encode("utf-8", "replace").decode("utf-8")


def system(text: str) -> Message:
    """What the model is told before the conversation."""
    return Message(role="system", text=text)


def user(text: str) -> Message:
    """What the model is asked."""
    return Message(role="user", text=text)


def assistant(text: str, calls: tuple[ToolCall, ...] = ()) -> Message:
    """What the model said."""
    return Message(role="assistant", text=text, calls=calls)


def tool_result(call_id: str, text: str, *, failed: bool = False) -> Message:
    """What a tool gave back for the call of that id."""
    return Message(role="tool", text=text, call_id=call_id, failed=failed)
