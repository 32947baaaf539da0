"""The functions: known answers, programs against machines, and the way through plain data and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autointerp.eval.organisms.planted._function import Function, as_record
from autointerp.eval.organisms.planted._lexicon import Lexicon
from autointerp.eval.organisms.planted._machine import LEVELS, compiled
from autointerp.eval.organisms.planted._truth import _read
from autointerp.eval.organisms.planted.kinds import FUNCTIONS, KINDS

A = {"a": 2, "b": 5}
#: A function, a text, and the level at each of its tokens, worked out by hand.
KNOWN: list[tuple[str, dict[str, Any], str, list[int]]] = [
    ("TokenSet", {"marks": A}, "a c b a", [2, 0, 5, 2]),
    ("After", {"marks": A, "context": frozenset("x"), "window": 2}, "a x c a b x b", [0, 0, 0, 2, 0, 0, 5]),
    (
        "Latched",
        {"marks": A, "opens": frozenset("("), "closes": frozenset(")"), "wait": 2},
        "a ( a a ( a ) a b",
        [0, 0, 0, 2, 0, 2, 0, 0, 0],
    ),
    (
        "Counted",
        {"counted": frozenset("ab"), "resets": frozenset("|"), "least": 2},
        "a b c a | b a",
        [0, 1, 0, 2, 0, 0, 1],
    ),
    ("Positioned", {"first": 2, "last": 5, "on": frozenset("a")}, "a a a b a a", [0, 8, 6, 0, 2, 0]),
    ("Positioned", {"first": 1, "last": 8, "on": None}, "a b c", [8, 7, 6]),
    ("Dense", {"counted": frozenset("a"), "window": 3, "least": 2}, "a a c a c c a", [0, 1, 1, 1, 0, 0, 0]),
]


def spaced(text: str) -> list[str]:
    return text.split(" ")


@pytest.mark.parametrize(("name", "fields", "text", "expected"), KNOWN)
def test_functions_give_what_was_worked_out_by_hand(
    name: str, fields: dict[str, Any], text: str, expected: list[int]
) -> None:
    function: Function = FUNCTIONS[name](**fields)  # type: ignore[assignment]
    assert function.levels(spaced(text)) == expected


def test_layout_and_word_pieces_by_hand() -> None:
    marks = {"x": 3, "re": 4}
    tokens = ["x", "\n    ", "x", "y", "\n", "  ", "x"]
    assert FUNCTIONS["Indented"](marks=marks, least=4).levels(tokens) == [0, 0, 3, 0, 0, 0, 0]
    assert FUNCTIONS["Indented"](marks=marks, least=2).levels(tokens) == [0, 0, 3, 0, 0, 0, 3]
    assert FUNCTIONS["Early"](marks=marks, most=1).levels(tokens) == [0, 0, 3, 0, 0, 0, 0]
    pieces = ["un", "want", "ed", " re", "a", ".", "d"]
    assert FUNCTIONS["Continued"](least=2, on=None).levels(pieces) == [0, 4, 2, 0, 1, 0, 0]
    assert FUNCTIONS["Continued"](least=3, on=None).levels(pieces) == [0, 0, 2, 0, 0, 0, 0]


def test_compositions_by_hand() -> None:
    a, b = (FUNCTIONS["TokenSet"](marks={token: level}) for token, level in A.items())
    tokens = spaced("a b c a b")
    assert FUNCTIONS["AnyOf"](functions=(a, b)).levels(tokens) == [2, 5, 0, 2, 5]
    assert FUNCTIONS["Everywhere"](but=a).levels(tokens) == [0, 1, 2, 0, 1]
    both = FUNCTIONS["TokenSet"](marks=A)
    assert FUNCTIONS["Without"](general=both, specific=b).levels(tokens) == [2, 0, 0, 2, 0]
    halves = [FUNCTIONS["Half"](whole=both, turns=frozenset("c"), odd=odd).levels(tokens) for odd in (False, True)]
    assert halves == [[2, 5, 0, 0, 0], [0, 0, 0, 2, 5]]


#: Tokens of every sort that a function tells apart.
TOKENS = [
    "a",
    "b",
    " the",
    "The",
    "ing",
    "ed",
    "x",
    "(",
    ")",
    " =",
    "12",
    "7",
    "\n",
    "\n    ",
    "  ",
    "\n\n  ",
    "é",
    "\ufffd",
    "",
]
LEXICON = Lexicon({token: 1 / len(TOKENS) for token in TOKENS})


def drawn(name: str, seed: int) -> list[Function]:
    parts = KINDS[name].draw(np.random.default_rng(seed), LEXICON, 0.1)
    return [part.function for part in parts if part.function is not None]


@pytest.mark.parametrize("name", sorted(set(KINDS) - {"output_only"}))
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), places=st.lists(st.integers(0, len(TOKENS) - 1), min_size=1, max_size=60))
def test_the_tables_compute_what_the_program_says(name: str, seed: int, places: list[int]) -> None:
    for function in drawn(name, seed):
        levels = function.levels([TOKENS[i] for i in places])
        assert compiled(function.machine(), TOKENS).run(np.array([places]))[0].tolist() == levels
        assert all(0 <= level <= LEVELS for level in levels)


@pytest.mark.parametrize("name", sorted(set(KINDS) - {"output_only"}))
def test_a_function_survives_being_written_down(name: str) -> None:
    for function in drawn(name, 5):
        assert _read(json.loads(json.dumps(as_record(function)))) == function


@pytest.mark.parametrize(
    ("name", "related"),
    [
        ("twins", lambda wide, narrow: wide >= narrow),
        ("split", lambda first, second: not first & second),
        ("absorbed", lambda general, specific: not general & specific),
    ],
)
def test_pairs_are_related_as_they_should_be(name: str, related: Callable[[set[int], set[int]], bool]) -> None:
    random = np.random.default_rng(0)
    text = [TOKENS[i] for i in random.integers(len(TOKENS), size=400)]
    for seed in range(8):
        active = [{i for i, level in enumerate(f.levels(text)) if level} for f in drawn(name, seed)]
        assert len(active) == 2
        assert related(*active)
