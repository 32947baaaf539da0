"""Plain values as lines of JSON, between a host and its jail. Both sides use this file; neither trusts the other with it.

JSON has no tuples, sets or bytes, and its keys are text: those travel as objects with one key that says what they are.
"""

from __future__ import annotations

import base64
import json
from typing import Any

#: Bytes of one message. What is read from it may take some twenty times as much memory.
LONGEST_LINE = 8 * 2**20


def pack(value: Any) -> Any:
    """`value` as what JSON has; arrays and numbers of numpy become lists and numbers. TypeError for anything else."""
    kind = type(value)
    if kind in (bool, int, float, str) or value is None:
        return value
    if kind is list:
        return [pack(item) for item in value]
    if kind is dict:
        return {"dict": [[pack(key), pack(item)] for key, item in value.items()]}
    if kind in (tuple, set, frozenset):
        return {kind.__name__: [pack(item) for item in value]}
    if kind is bytes:
        return {"bytes": base64.b64encode(value).decode()}
    if kind.__module__ == "numpy" and callable(getattr(value, "tolist", None)):
        return pack(value.tolist())
    name = kind.__name__[:40]
    raise TypeError(f"a value of type {name}: only numbers, text, lists, tuples, sets, dicts and arrays are passed on")


def unpack(data: Any) -> Any:
    """The inverse of `pack`. ValueError, TypeError or RecursionError for what `pack` does not make."""
    if isinstance(data, list):
        return [unpack(item) for item in data]
    if not isinstance(data, dict):
        return data
    if len(data) != 1:
        raise ValueError("an object with other keys than the one that names its type")
    ((kind, content),) = data.items()
    if kind == "bytes":
        return base64.b64decode(content, validate=True)
    if not isinstance(content, list):
        raise TypeError(f"a {kind[:40]} that is no list")
    if kind == "dict":
        return {unpack(key): unpack(item) for key, item in content}
    kinds = {"tuple": tuple, "set": set, "frozenset": frozenset}
    if kind not in kinds:
        raise ValueError(f"an object of type {kind[:40]}")
    return kinds[kind](unpack(item) for item in content)


def line(message: dict[str, Any]) -> bytes:
    """A message as a line. ValueError where it would be longer than the other side reads."""
    written = json.dumps(message).encode() + b"\n"
    if len(written) > LONGEST_LINE:
        raise ValueError(f"a value of {len(written)} bytes, at most {LONGEST_LINE}: pass on less")
    return written
