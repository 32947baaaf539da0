"""How a program enters the library, and what many of them are made of."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import cleandoc

from autointerp.eval.organisms.rasp import (
    Aggregate,
    Indices,
    Map,
    Program,
    Select,
    SelectorWidth,
    SequenceMap,
    SOp,
    Tokens,
    Value,
    always,
)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a program is written in terms of: the tokens, their places, and how many tokens there are at most."""

    tokens: Tokens
    indices: Indices
    longest: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A program that can be built for any length."""

    name: str
    family: str
    summary: str
    write: Callable[[Inputs], SOp]
    vocabulary: tuple[Value, ...]
    length: int
    causal: bool
    examples: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]

    def build(self, length: int | None = None) -> Program:
        """The program for inputs of up to `length` tokens, the entry's own length if None."""
        longest = self.length if length is None else length
        return Program(
            name=self.name,
            family=self.family,
            summary=self.summary,
            output=self.write(Inputs(Tokens(name="tokens"), Indices(name="indices"), longest)),
            vocabulary=self.vocabulary,
            length=longest,
            causal=self.causal,
            examples=self.examples,
        )


@dataclass(frozen=True, slots=True)
class Family:
    """Programs of one kind. Calling it makes a decorator that adds a function to its entries.

    The function's docstring is the program's summary. Examples are pairs of input and output as text: one character a token,
    or words with spaces between them.
    """

    name: str
    entries: dict[str, Entry]

    def __call__(
        self,
        vocabulary: Sequence[Value],
        length: int,
        *examples: tuple[str, str],
        causal: bool = False,
    ) -> Callable[[Callable[[Inputs], SOp]], Callable[[Inputs], SOp]]:
        def add(write: Callable[[Inputs], SOp]) -> Callable[[Inputs], SOp]:
            name = write.__name__.strip("_").replace("_", "-")
            pairs = tuple((_words(given), _words(expected)) for given, expected in examples)
            summary = " ".join(cleandoc(write.__doc__ or "").split())
            self.entries[name] = Entry(name, self.name, summary, write, tuple(vocabulary), length, causal, pairs)
            return write

        return add


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split() if " " in text else text)


def count(selector: Select, name: str) -> SelectorWidth:
    """How many tokens are selected."""
    return SelectorWidth(selector, name=name)


def whole_length(x: Inputs) -> SelectorWidth:
    """The length of the input; in a causal program, of the input so far."""
    return SelectorWidth(Select(x.tokens, x.tokens, always), name="length")


def shifted(x: Inputs, source: SOp, by: int, default: Value, name: str) -> Aggregate:
    """What the token `by` places earlier holds, later ones for a negative number."""
    return Aggregate(
        Select(x.indices, x.indices, lambda k, q: int(q) - int(k) == by), source, default=default, name=name
    )


def number_of(x: Inputs, test: Callable[[Value], bool], name: str) -> SelectorWidth:
    """How many tokens pass a test."""
    return SelectorWidth(Select(x.tokens, x.tokens, lambda k, _: test(k)), name=name)


def occurrence(x: Inputs) -> SelectorWidth:
    """Which occurrence of its value a token is: 1 for the first."""
    same = Select(x.tokens, x.tokens, operator.eq) & Select(x.indices, x.indices, operator.le)
    return SelectorWidth(same, name="occurrence")


def counts(x: Inputs, first: Value, second: Value) -> tuple[SelectorWidth, SelectorWidth]:
    """How often each of two tokens occurs."""
    return number_of(x, lambda t: t == first, f"count_{first}"), number_of(x, lambda t: t == second, f"count_{second}")


def table(function: Callable[[int, int], object], first: SOp, second: SOp, name: str) -> SequenceMap:
    """A function of two variables whose values are integers."""
    return SequenceMap(lambda a, b: _value(function(int(a), int(b))), first, second, name=name)


def test(function: Callable[[int], object], source: SOp, name: str) -> Map:
    """A function of one variable whose values are integers."""
    return Map(lambda a: _value(function(int(a))), source, name=name)


def _value(found: object) -> Value:
    assert isinstance(found, str | int)
    return found


def mirror(x: Inputs) -> SequenceMap:
    """The place that is as far from the end as the token's own is from the start; -1 where there is none."""
    return table(lambda n, i: max(n - 1 - i, -1), whole_length(x), x.indices, "mirror")
