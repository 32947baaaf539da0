"""Induction: what followed this token the last time?"""

from __future__ import annotations

import random

from autointerp.circuits._pairs import Pair
from autointerp.circuits._task import Generator
from autointerp.circuits.tasks._words import pieces
from autointerp.models import Subject

#: The tokens before the one that is asked for are repeated too: with one alone to go by, small models hardly notice.
_REPEATED = 4


def _draw(subject: Subject, source: random.Random) -> Pair:
    """`… A B … C D … A` wants B: random tokens, so that nothing else helps.

    A counterfactual changes one of the three things that the answer depends on, so that the whole circuit shows: what
    followed A (another token in B's place), where A was (A and C exchanged), or what is asked (C at the end).
    """
    drawn = source.sample(pieces(subject), 2 * _REPEATED + 5)
    first, second = drawn[:_REPEATED], drawn[_REPEATED : 2 * _REPEATED]
    start, answer, between, rival, other = drawn[2 * _REPEATED :]

    def prompt(one: list[int], follows: int, two: list[int], asked: list[int]) -> tuple[int, ...]:
        return (subject.bos, start, *one, follows, between, *two, rival, between, *asked)

    clean = prompt(first, answer, second, first)
    match source.randrange(3):
        case 0:
            return Pair(clean, prompt(first, other, second, first), (answer,), (other,))
        case 1:
            return Pair(clean, prompt(second, answer, first, first), (answer,), (rival,))
        case _:
            return Pair(clean, prompt(first, answer, second, second), (answer,), (rival,))


INDUCTION = Generator("induction", "what followed these tokens the last time", _draw)
