"""Greater-than: a span ends after it began. (Hanna et al., 2023)"""

from __future__ import annotations

import random
from functools import lru_cache

from autointerp.circuits._pairs import Pair
from autointerp.circuits._task import Generator
from autointerp.errors import InputError
from autointerp.models import Subject

_NOUNS = ["war", "project", "plan", "siege", "empire", "test"]
#: Which digit starts the end of a span, after one that starts its beginning.
_DIGITS = range(10)


@lru_cache(maxsize=8)
def _digits(subject: Subject) -> tuple[int, ...]:
    """The ids of the ten digits. Raises InputError where the tokenizer does not spell numbers by them."""
    found = [subject.encode(str(digit)) for digit in _DIGITS]
    if any(len(ids) != 1 for ids in found):
        raise InputError(f"the tokenizer of {subject.name} has no token for every digit")
    return tuple(ids[0] for ids in found)


def _draw(subject: Subject, source: random.Random) -> Pair | None:
    """`The war lasted from 1741 to 17` wants a digit from 4 on; the counterfactual begins in 1701, where any will do."""
    digits = _digits(subject)
    century, decade = source.randrange(11, 19), source.randrange(2, 9)
    noun = source.choice(_NOUNS)
    # Digit by digit, as a tokenizer that merges them would show another number of tokens for another number.
    head = [*subject.encode(f"The {noun} lasted from "), *(digits[int(d)] for d in str(century))]
    tail = [digits[source.randrange(1, 9)], *subject.encode(" to "), *(digits[int(d)] for d in str(century))]
    clean = (subject.bos, *head, digits[decade], *tail)
    corrupted = (subject.bos, *head, digits[0], *tail)
    return Pair(clean, corrupted, digits[decade:], digits[:decade])


GREATER = Generator("greater", "which numbers a span may end with", _draw)
