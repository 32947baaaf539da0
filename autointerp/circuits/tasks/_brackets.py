"""Bracket closing: which bracket is open?"""

from __future__ import annotations

import random

from autointerp.circuits._pairs import Pair, text_pair
from autointerp.circuits._task import Generator
from autointerp.circuits.tasks._words import names
from autointerp.models import Subject

_KINDS = {"(": ")", "[": "]"}


def _draw(subject: Subject, source: random.Random) -> Pair:
    """`x = f(a, b` against `x = f[a, b`: the same but for the kind of bracket that is open."""
    own = names(subject)
    target, called, *inside = source.sample(own, 2 + source.choice((1, 2)))
    opening, other = source.sample(list(_KINDS), 2)
    head, tail = f"{target} = {called}", ", ".join(inside)
    return text_pair(subject, f"{head}{opening}{tail}", f"{head}{other}{tail}", _KINDS[opening], _KINDS[other])


BRACKETS = Generator("brackets", "which bracket is open", _draw)
