"""What was asked of tools and what they answered, as data: enough to answer again without a model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from autointerp.records import Cost
from autointerp.tools._tool import Arguments, Result

LOG_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Called:
    """One answer of a tool.

    Attributes
    ----------
    result: typed; `data` is the same as plain JSON values.
    text: the first page of the result for a reader, at most about 2,000 tokens.
    handle: names this result: further pages are had with it.
    pages: how many there are.
    cost: passes and tokens by themselves (a pass shared with other calls counts as one), and seconds by the clock.
    """

    tool: str
    arguments: Arguments
    result: Result
    text: str
    handle: str
    pages: int
    cost: Cost

    @property
    def data(self) -> dict[str, Any]:
        """The result as JSON values."""
        return self.result.model_dump(mode="json")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Failure(_Frozen):
    """How a tool refused: the kind of error, what it said, and of which argument."""

    kind: Literal["retry", "adapt"]
    message: str
    argument: str | None = None


class Record(_Frozen):
    """One call: what was asked, and either the result or how it failed, both as JSON values.

    `inside` is the number of the call whose code made this one; None for a call from outside.
    """

    number: int
    tool: str
    arguments: dict[str, Any]
    result: dict[str, Any] | None = None
    failure: Failure | None = None
    cost: Cost
    inside: int | None = None

    @property
    def key(self) -> str:
        """Equal for calls that ask the same."""
        return key_of(self.tool, self.arguments)


class ToolLog(_Frozen):
    """All calls of one toolbox in the order in which they ended, and of what: model, dictionary and feature."""

    format: Literal[1] = LOG_FORMAT
    model: str
    dictionary: str
    feature: int
    calls: tuple[Record, ...] = ()


def key_of(tool: str, arguments: dict[str, Any]) -> str:
    """Equal for calls that ask the same."""
    return f"{tool} {json.dumps(arguments, sort_keys=True)}"
