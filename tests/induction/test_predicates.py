"""Predicates over groups of tokens: what they say, by another way of saying it, and that a program says the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autointerp.induction._columns import Column
from autointerp.induction._fit import Fit
from autointerp.induction._predicates import Count, Dense, Gap, Latch, Marked, Near, Predicate
from autointerp.induction._write import program_of
from autointerp.programs import predict

GROUP, AGAIN = frozenset({"a", "{"}), frozenset({"r", "s"})
TEXTS = [["a", "b", "r", "{", "a", "a", "s", "b", "a", *["b"] * 9, "a"], ["b", "a"], ["r"], [*["a"] * 20]]


def near(tokens: Sequence[str], place: int) -> bool:
    return bool(GROUP & set(tokens[max(0, place - 3) : place]))


def dense(tokens: Sequence[str], place: int) -> int:
    return sum(token in GROUP for token in tokens[max(0, place - 4) : place + 1])


def count(tokens: Sequence[str], place: int) -> int:
    start = max((i + 1 for i in range(place) if tokens[i] in AGAIN), default=0)
    return min(14, sum(token in GROUP for token in tokens[start : place + 1]))


def gap(tokens: Sequence[str], place: int) -> int:
    return min(9, place - max((i for i in range(place + 1) if tokens[i] in GROUP), default=-1))


def latch(tokens: Sequence[str], place: int) -> bool:
    closed = max((i for i in range(place) if tokens[i] in AGAIN), default=-1)
    opened = next((i for i in range(closed + 1, place) if tokens[i] in GROUP), None)
    return opened is not None and place - opened >= 4


#: Each beside the same said of one place of a text, as one would say it without going through the text.
KNOWN: dict[str, tuple[Predicate, Callable[[Sequence[str], int], int]]] = {
    "marked": (Marked(GROUP), lambda tokens, place: tokens[place] in GROUP),
    "near": (Near("AFTER", GROUP, 3), near),
    "near one": (Near("NEAR0", frozenset({"a"}), 8), lambda tokens, place: "a" in tokens[max(0, place - 8) : place]),
    "dense": (Dense(GROUP, 5), dense),
    "count": (Count(GROUP, AGAIN), count),
    "count of the text": (Count(GROUP, frozenset()), lambda t, i: min(14, sum(x in GROUP for x in t[: i + 1]))),
    "gap": (Gap(GROUP), gap),
    "latch": (Latch(GROUP, AGAIN, 4), latch),
    "latch for ever": (Latch(GROUP, frozenset(), 2), lambda t, i: any(x in GROUP for x in t[: max(0, i - 1)])),
}


def values(predicate: Predicate, texts: Sequence[Sequence[str]]) -> list[int]:
    kinds, codes = predicate.coded(texts)
    return [int(kinds[code]) for code in codes]


@pytest.mark.parametrize("name", KNOWN)
@given(texts=st.lists(st.lists(st.sampled_from("ab{rs"), min_size=1, max_size=30), min_size=1, max_size=4))
def test_a_predicate_says_what_it_is_said_to(name: str, texts: list[list[str]]) -> None:
    predicate, told = KNOWN[name]
    assert values(predicate, texts) == [int(told(text, place)) for text in texts for place in range(len(text))]


@pytest.mark.parametrize("name", KNOWN)
def test_a_program_computes_the_same(name: str) -> None:
    predicate, _ = KNOWN[name]
    kinds, codes = predicate.coded(TEXTS)
    # A table that gives each value itself, so that the program says the value.
    column = Column(predicate, kinds, codes)
    program = program_of(Fit(0.0, (column,), (np.array([float(kind) for kind in kinds]),)), 14.0)
    assert np.concatenate(predict(program, TEXTS)).tolist() == values(predicate, TEXTS)


def test_programs_may_use_all_of_them_at_once() -> None:
    columns = tuple(
        Column(predicate, *predicate.coded(TEXTS)) for predicate, _ in list(KNOWN.values()) if predicate.walk
    )
    columns = (columns[0], *columns[2:4])
    tables = tuple(np.array([float(value) for value in column.values]) for column in columns)
    program = program_of(Fit(0.0, columns, tables), 14.0)
    wanted = np.sum([values(column.predicate, TEXTS) for column in columns], axis=0)
    assert np.concatenate(predict(program, TEXTS)).tolist() == wanted.tolist()


@pytest.mark.parametrize("name", KNOWN)
def test_a_phrase_shows_the_tokens_as_they_are(name: str) -> None:
    phrase = KNOWN[name][0].phrase.format("3")
    assert "`a`" in phrase
    assert name == "near one" or "`{`" in phrase
