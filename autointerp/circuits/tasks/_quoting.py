"""String quoting: with which quote does the string end?"""

from __future__ import annotations

import random

from autointerp.circuits._pairs import Pair, text_pair
from autointerp.circuits._task import Generator
from autointerp.circuits.tasks._words import names
from autointerp.models import Subject

_QUOTES = ("'", '"')


def _draw(subject: Subject, source: random.Random) -> Pair:
    """A string that was opened with one quote or with the other."""
    target, inside, more = source.sample(names(subject), 3)
    quote, other = source.sample(_QUOTES, 2)
    tail = f"{inside} {more}" if source.random() < 0.5 else inside
    head = f"{target} = "
    return text_pair(subject, f"{head}{quote}{tail}", f"{head}{other}{tail}", quote, other)


QUOTING = Generator("quoting", "with which quote the string ends", _draw)
