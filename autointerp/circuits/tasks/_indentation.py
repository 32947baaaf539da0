"""Indentation: how deep is the line after a colon?"""

from __future__ import annotations

import random

from autointerp.circuits._pairs import Pair, text_pair
from autointerp.circuits._task import Generator
from autointerp.circuits.tasks._words import names
from autointerp.models import Subject

_STEP = "    "


def _draw(subject: Subject, source: random.Random) -> Pair:
    """A statement under one `if` or under two: its successor stands as deep as it."""
    condition, other, changed, again = source.sample(names(subject), 4)
    depth, wrong = source.sample((1, 2, 3), 2)

    def text(indent: str) -> str:
        return f"{condition} = {other}\n{indent}if {condition}:\n{indent}{_STEP}{changed} = {again}\n{indent}else:"

    shallow, deep = _STEP * depth, _STEP * wrong
    return text_pair(subject, text(shallow), text(deep), f"\n{shallow}{_STEP}", f"\n{deep}{_STEP}")


INDENTATION = Generator("indentation", "how deep the next line stands", _draw)
