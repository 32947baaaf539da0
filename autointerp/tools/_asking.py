"""From what somebody sent to arguments that fit, or to a message that says what would."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from autointerp.errors import RetryWithOther
from autointerp.tools._tool import AnyTool, Arguments


def asked(tool: AnyTool, given: Mapping[str, Any] | Arguments) -> Arguments:
    """The arguments of a tool from a mapping of JSON values. Raises RetryWithOther, which names the first that does not fit."""
    kind: type[Arguments] = tool.arguments
    if isinstance(given, kind):
        return given
    if isinstance(given, Arguments):
        raise TypeError(f"{tool.name} takes {kind.__name__}, not {type(given).__name__}")
    try:
        # As JSON, so that lists may become tuples and names members, and nothing else is converted.
        text = json.dumps(dict(given))
    except (TypeError, ValueError, RecursionError) as error:
        raise RetryWithOther("arguments", f"{' '.join(str(error).split())[:200]}: give JSON values") from error
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        argument = ".".join(map(str, first["loc"])) or "arguments"
        if first["type"] == "extra_forbidden":
            raise RetryWithOther(argument[:80], f"{tool.name} has no such argument: {signature(tool)}") from None
        found = "" if first["type"] == "missing" else f", found {first['input']!r:.80}"
        raise RetryWithOther(argument[:80], f"{first['msg'][:200]}{found}; {signature(tool)}") from None


def signature(tool: AnyTool) -> str:
    """The names of a tool's arguments, those that are optional in brackets."""
    fields = tool.arguments.model_fields
    names = [name if field.is_required() else f"[{name}]" for name, field in fields.items()]
    return f"it takes {', '.join(names) or 'none'}"
