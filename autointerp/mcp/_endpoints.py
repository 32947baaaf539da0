"""What a host may call: a name, words, a schema of what is asked, and an answer of one page."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from autointerp.errors import RetryWithOther
from autointerp.mcp._desk import Desk
from autointerp.mcp._opening import Tell


class Asked(BaseModel):
    """Arguments of a call. Every field has a description."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """At most a page of text; `data` says the same as JSON where a host's code may want it, else None."""

    text: str
    data: dict[str, Any] | None = None


class Endpoint(ABC):
    """One tool of the server. `changes` where calling it does more than look."""

    name: str
    title: str
    description: str
    changes: bool = False

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """The JSON schema of what is asked."""

    @abstractmethod
    async def answer(self, desk: Desk, given: Mapping[str, Any], tell: Tell) -> Answer:
        """Do it, telling how far it is. Raises AutointerpError, whose message is one line for whoever asked."""


A = TypeVar("A", bound=Asked)


class TypedEndpoint(Endpoint):
    """An endpoint whose arguments are a pydantic model."""

    asked: ClassVar[type[Asked]]

    def schema(self) -> dict[str, Any]:
        """See `Endpoint`."""
        return self.asked.model_json_schema()


def parsed(kind: type[A], given: Mapping[str, Any]) -> A:
    """The arguments, checked. Raises RetryWithOther, which names the first that does not fit and those there are."""
    try:
        return kind.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        argument = ".".join(map(str, first["loc"]))[:80] or "arguments"
        fields = kind.model_fields.items()
        takes = ", ".join(name if field.is_required() else f"[{name}]" for name, field in fields) or "none"
        if first["type"] == "extra_forbidden":
            raise RetryWithOther(argument, f"there is no such argument: it takes {takes}") from None
        found = "" if first["type"] == "missing" else f", found {first['input']!r:.80}"
        raise RetryWithOther(argument, f"{first['msg'][:200]}{found}; it takes {takes}") from None
