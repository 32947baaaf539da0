"""Reading what servers send without believing that it is what it should be."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from autointerp.llm._faults import Dropped

M = TypeVar("M", bound=BaseModel)


def parse(kind: type[M], body: bytes, name: str) -> M:
    """Read a body. Raises Dropped where it is no `name`."""
    try:
        return kind.model_validate_json(body)
    except ValidationError:
        pass
    try:
        # Python reads lone surrogates, which pydantic does not: the rest of such an answer is as good as any.
        return kind.model_validate_json(json.dumps(json.loads(body), ensure_ascii=False).encode("utf-8", "replace"))
    except ValueError:
        raise Dropped(f"an answer that is no {name}") from None


def clean(text: str) -> str:
    """The text without lone surrogates, which JSON can escape and no file can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def counted(value: Any) -> int | None:
    """A count of tokens; None where it is no such thing."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
