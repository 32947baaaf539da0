"""Material of the prompts: names that are one token, and tokens that are words."""

from __future__ import annotations

from functools import lru_cache

from autointerp.errors import InputError
from autointerp.models import Subject

#: Names such as programs have; each task takes those that the tokenizer keeps whole.
_NAMES = [
    "value",
    "name",
    "key",
    "data",
    "path",
    "file",
    "text",
    "size",
    "count",
    "index",
    "start",
    "stop",
    "end",
    "node",
    "item",
    "line",
    "list",
    "type",
    "code",
    "state",
    "args",
    "mode",
    "result",
    "level",
    "width",
    "length",
    "number",
    "parent",
    "child",
    "left",
    "right",
    "first",
    "last",
    "source",
    "target",
    "buffer",
    "message",
    "event",
    "time",
    "date",
    "host",
    "port",
    "user",
    "group",
    "option",
    "flags",
    "order",
    "shape",
    "color",
    "table",
    "model",
    "limit",
    "offset",
    "stream",
    "reader",
    "writer",
    "handler",
    "module",
    "default",
    "encoding",
    "timeout",
    "prefix",
    "suffix",
    "root",
    "base",
    "label",
    "title",
    "status",
    "version",
    "length",
    "context",
    "config",
]
_FEW = 4


@lru_cache(maxsize=8)
def pieces(subject: Subject, least: int = 2 * _FEW) -> list[int]:
    """Ids of tokens that are a word or the beginning of one, so that none joins with its neighbours in a surprising way.

    In a vocabulary of letters or numbers these are all but the special ones. Raises InputError for fewer than `least`.
    """
    found = [i for i, text in enumerate(subject.strings) if text.strip().isalpha() and text.isascii() and len(text) > 1]
    if len(found) < 2 * _FEW:
        special = {subject.bos, subject.padding, *getattr(subject.tokenizer, "all_special_ids", ())}
        found = [i for i, text in enumerate(subject.strings) if text.strip() and text.isascii() and i not in special]
    if len(found) < least:
        raise InputError(f"{subject.name} has {len(found)} tokens that are words: give pairs of your own in a file")
    return found


@lru_cache(maxsize=32)
def names(subject: Subject, before: str = " ") -> list[str]:
    """Names that are one token both alone and after `before`. Raises InputError where there are hardly any."""
    found = [
        name
        for name in dict.fromkeys(_NAMES)
        if len(subject.encode(before + name)) == 1 and len(subject.encode(name)) == 1
    ]
    if len(found) < _FEW:
        raise InputError(
            f"the tokenizer of {subject.name} keeps {len(found)} of {len(_NAMES)} names whole: give pairs of your own in a file"
        )
    return found
