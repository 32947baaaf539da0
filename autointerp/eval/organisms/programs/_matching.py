"""Programs that match brackets and find duplicates."""

from __future__ import annotations

import operator

from autointerp.eval.organisms.programs._entry import (
    Family,
    Inputs,
    count,
    counts,
    mirror,
    occurrence,
    shifted,
    table,
    test,
    whole_length,
)
from autointerp.eval.organisms.rasp import Aggregate, Map, Select, SelectorWidth, SequenceMap, SOp

MATCHING = Family("matching brackets and duplicates", {})
_NONE = "-"


def _so_far(x: Inputs, tokens: str, name: str) -> SOp:
    """How many tokens up to this one are among `tokens`."""
    chosen = Select(x.tokens, x.tokens, lambda k, _: str(k) in tokens) & Select(x.indices, x.indices, operator.le)
    return SelectorWidth(chosen, name=name)


def _depth(x: Inputs, opening: str, closing: str, name: str = "depth") -> SOp:
    """How many brackets are open after each token; negative where too many were closed."""
    opened, closed = _so_far(x, opening, f"{name}_opened"), _so_far(x, closing, f"{name}_closed")
    return table(operator.sub, opened, closed, name)


def _balanced(x: Inputs, depth: SOp, name: str) -> SOp:
    """Whether the depth is never negative and in the end 0."""
    negative = count(Select(depth, x.tokens, lambda k, _: int(k) < 0), f"{name}_negative")
    last = test(lambda n: n - 1, whole_length(x), "last")
    end = Aggregate(Select(x.indices, last, operator.eq), depth, default=0, name=f"{name}_end")
    return table(lambda below, rest: below == 0 and rest == 0, negative, end, name)


@MATCHING("()x", 5, ("(x()", "1121"), ("))(", "-1 -2 -1"), causal=True)
def bracket_depth(x: Inputs) -> SOp:
    """How many brackets are open after each token; negative where too many were closed."""
    return table(operator.sub, *counts(x, "(", ")"), "depth")


@MATCHING("()", 7, ("())(", "1100"), ("(()", "111"), causal=True)
def never_negative(x: Inputs) -> SOp:
    """Whether no bracket so far was closed that had not been opened."""
    below = table(operator.lt, *counts(x, "(", ")"), "below")
    return test(lambda n: n == 0, count(Select(below, x.tokens, lambda k, _: k == 1), "count"), "valid")


@MATCHING("()", 6, ("(())", "1111"), (")(", "00"), ("(()", "000"))
def balanced(x: Inputs) -> SOp:
    """Whether the brackets of the whole input are balanced."""
    return _balanced(x, _depth(x, "(", ")"), "balanced")


@MATCHING("()[]", 4, ("([)]", "1111"), ("([]", "000"), ("])", "00"))
def balanced_two_kinds(x: Inputs) -> SOp:
    """Whether the brackets of each of two kinds are balanced, however the kinds are interleaved."""
    rounds = _balanced(x, _depth(x, "(", ")", "round"), "round_balanced")
    squares = _balanced(x, _depth(x, "[", "]", "square"), "square_balanced")
    return table(lambda a, b: a and b, rounds, squares, "balanced")


@MATCHING("()[]", 5, ("[()]", "--(["), ("(])", "-(-"))
def opener(x: Inputs) -> SOp:
    """For a closing bracket the bracket that it closes, of either kind; - for the others.

    The brackets that lie at the same depth are opened and closed in turn, so the one that is closed is the last that was opened
    there: it is found by its depth and its number among those.
    """
    depth = _depth(x, "([", ")]")
    opens = Map(lambda t: str(t) in "([", x.tokens, name="opens")
    # The depth inside the pair: after an opening bracket, before a closing one.
    inside = table(lambda d, is_open: d if is_open else d + 1, depth, opens, "inside")
    opened_there = (
        Select(inside, inside, operator.eq)
        & Select(opens, opens, lambda k, _: k == 1)
        & Select(x.indices, x.indices, operator.le)
    )
    number = SelectorWidth(opened_there, name="number")
    pair = (
        Select(inside, inside, operator.eq)
        & Select(opens, opens, lambda k, q: k == 1 and q == 0)
        & Select(number, number, operator.eq)
    )
    return Aggregate(pair, x.tokens, default=_NONE, name="opener")


@MATCHING("abc", 6, ("abacb", "00101"), ("ccc", "011"), causal=True)
def seen_before(x: Inputs) -> SOp:
    """Whether the same token occurred earlier."""
    return test(lambda n: n > 1, count(Select(x.tokens, x.tokens, operator.eq), "occurrence"), "seen")


@MATCHING("abc", 6, ("abac", "0101"), ("cc", "00"))
def unique(x: Inputs) -> SOp:
    """Whether a token occurs only once."""
    return test(lambda n: n == 1, count(Select(x.tokens, x.tokens, operator.eq), "histogram"), "unique")


@MATCHING("abc", 6, ("aabcc", "01001"), ("bbb", "011"), causal=True)
def same_as_previous(x: Inputs) -> SOp:
    """Whether a token is the same as the one before it."""
    return SequenceMap(operator.eq, shifted(x, x.tokens, 1, _NONE, "previous"), x.tokens, name="same")


@MATCHING("abc", 5, ("abcba", "11111"), ("ab", "00"), ("c", "1"))
def palindrome(x: Inputs) -> SOp:
    """Whether the input reads the same backwards."""
    differs = SequenceMap(operator.ne, _mirrored(x), x.tokens, name="differs")
    return test(lambda n: n == 0, count(Select(differs, x.tokens, lambda k, _: k == 1), "count"), "palindrome")


@MATCHING("abc", 5, ("abca", "1001"), ("aba", "111"))
def same_as_mirror(x: Inputs) -> SOp:
    """Whether a token is the same as the one as far from the other end."""
    return SequenceMap(operator.eq, _mirrored(x), x.tokens, name="same")


@MATCHING("abcd", 5, ("abcd", "1111"), ("abca", "0000"))
def all_distinct(x: Inputs) -> SOp:
    """Whether no token occurs twice."""
    again = test(lambda n: n > 1, count(Select(x.tokens, x.tokens, operator.eq), "histogram"), "again")
    return test(lambda n: n == 0, count(Select(again, x.tokens, lambda k, _: k == 1), "count"), "all_distinct")


@MATCHING("abc", 6, ("abca", "1111"), ("ab", "00"), ("b", "1"))
def first_is_last(x: Inputs) -> SOp:
    """Whether the input ends with the token that it starts with."""
    first = Aggregate(Select(x.indices, x.tokens, lambda k, _: k == 0), x.tokens, default="a", name="first")
    last = test(lambda n: n - 1, whole_length(x), "last_place")
    end = Aggregate(Select(x.indices, last, operator.eq), x.tokens, default="a", name="last")
    return SequenceMap(operator.eq, first, end, name="same")


@MATCHING("abc", 5, ("abac", "--a-"), ("bcbcc", "--bcc"), ("ab", "--"))
def repeats(x: Inputs) -> SOp:
    """The token itself where it occurred before, - where it is the first of its kind."""
    return SequenceMap(lambda n, t: t if int(n) > 1 else _NONE, occurrence(x), x.tokens, name="repeat")


def _mirrored(x: Inputs) -> SOp:
    return Aggregate(Select(x.indices, mirror(x), operator.eq), x.tokens, default="a", name="mirrored")
