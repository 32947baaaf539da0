"""What programs mean: the interpreter against answers written by hand."""

from __future__ import annotations

import operator
from fractions import Fraction

import pytest

from autointerp.errors import OrganismError
from autointerp.eval.organisms.programs import LIBRARY
from autointerp.eval.organisms.rasp import (
    Aggregate,
    Constant,
    Indices,
    Map,
    Program,
    Select,
    SelectorWidth,
    SequenceMap,
    SOp,
    Tokens,
    always,
    interpret,
    lower,
    trace,
)

TOKENS, INDICES = Tokens(name="tokens"), Indices(name="indices")
SAME = Select(TOKENS, TOKENS, operator.eq)


def program(output: SOp, vocabulary: tuple = ("a", "b", "c"), length: int = 5, causal: bool = False) -> Program:
    return Program("under test", "none", "", output, vocabulary, length, causal)


def is_a(numerical: bool = False) -> Map:
    return Map(lambda t: t == "a", TOKENS, numerical=numerical)


@pytest.mark.parametrize(
    ("output", "given", "expected"),
    [
        (TOKENS, "ab", ("a", "b")),
        (INDICES, "abc", (0, 1, 2)),
        (Constant(7), "ab", (7, 7)),
        (is_a(), "aba", (1, 0, 1)),
        (SequenceMap(lambda t, i: f"{t}{i}", TOKENS, INDICES), "ab", ("a0", "b1")),
        (SelectorWidth(SAME), "aab", (2, 2, 1)),
        (SelectorWidth(SAME & Select(INDICES, INDICES, operator.lt)), "aba", (0, 0, 1)),
        (Aggregate(Select(INDICES, INDICES, lambda k, q: k == q + 1), TOKENS, default="c"), "ab", ("b", "c")),
        (Aggregate(Select(TOKENS, TOKENS, always), is_a(True), default=0), "abb", (Fraction(1, 3),) * 3),
        (Aggregate(Select(TOKENS, TOKENS, lambda k, _: k == "c"), is_a(True), default=1), "ab", (1, 1)),
    ],
)
def test_an_expression_means(output: SOp, given: str, expected: tuple) -> None:
    assert interpret(program(output), list(given)) == expected


def test_a_causal_program_sees_nothing_later() -> None:
    assert interpret(program(SelectorWidth(SAME), causal=True), list("aaba")) == (1, 2, 1, 3)


@pytest.mark.parametrize("name", LIBRARY)
def test_the_library_answers_as_written_by_hand(name: str) -> None:
    made = LIBRARY[name].build()
    by_text = {str(value): value for value in made.vocabulary}
    assert made.examples
    for given, expected in made.examples:
        assert tuple(map(str, interpret(made, [by_text[token] for token in given]))) == expected


def test_the_library_is_large_and_varied() -> None:
    families = [entry.family for entry in LIBRARY.values()]
    assert len(LIBRARY) >= 40
    assert len(set(families)) == 5
    assert min(families.count(family) for family in set(families)) >= 8
    assert all(entry.summary.endswith(".") for entry in LIBRARY.values())


def test_one_object_is_one_variable_and_names_do_not_collide() -> None:
    width = SelectorWidth(SAME, name="n")
    twice = SequenceMap(operator.add, width, Map(lambda n: n, width, name="n"), name="sum")
    assert list(trace(program(twice), list("ab"))) == ["tokens", "n", "n2", "sum"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("", ["is empty"]),
        ("aaaaaa", ["6 tokens are more than the 5"]),
        ("xaybaaa", ["7 tokens", "x, y is not in the vocabulary (a b c)"]),
    ],
)
def test_inputs_that_no_program_is_defined_on(given: str, words: list[str]) -> None:
    with pytest.raises(OrganismError) as error:
        interpret(program(TOKENS), list(given))
    assert all(word in str(error.value) for word in words)
    with pytest.raises(OrganismError):
        lower(program(TOKENS)).model.indices([list(given)])


def test_a_categorical_sequence_has_no_mean() -> None:
    everything = Aggregate(Select(TOKENS, TOKENS, always), TOKENS, default="a", name="mix")
    assert interpret(program(everything), list("bb")) == ("b", "b")
    with pytest.raises(OrganismError, match=r"mix selects tokens that hold different values \(a, b\)"):
        interpret(program(everything), list("ab"))
    assert lower(program(everything)).model.values(list("ab"))["mix"] == (None, None)
