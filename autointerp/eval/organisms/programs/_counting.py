"""Programs that count."""

from __future__ import annotations

import operator
from fractions import Fraction

from autointerp.eval.organisms.programs._entry import (
    Family,
    Inputs,
    count,
    counts,
    number_of,
    occurrence,
    shifted,
    table,
    test,
    whole_length,
)
from autointerp.eval.organisms.rasp import Aggregate, Map, Select, SelectorWidth, SequenceMap, SOp, always

COUNTING = Family("counting", {})


@COUNTING("abc", 6, ("abac", "2121"), ("c", "1"), ("bbbbbb", "666666"))
def histogram(x: Inputs) -> SOp:
    """How often each token occurs in the input."""
    return count(Select(x.tokens, x.tokens, operator.eq), "histogram")


@COUNTING("abc", 6, ("abac", "2222"), ("cb", "00"))
def count_letter(x: Inputs) -> SOp:
    """How many tokens are `a`."""
    return number_of(x, lambda t: t == "a", "count")


@COUNTING("ab", 8, ("abba", "4444"), ("a", "1"))
def length(x: Inputs) -> SOp:
    """How long the input is."""
    return whole_length(x)


@COUNTING("abc", 6, ("abaca", "11213"), ("bbb", "123"))
def occurrence_so_far(x: Inputs) -> SOp:
    """Which occurrence of its kind each token is, counted from the start."""
    return occurrence(x)


@COUNTING("abc", 6, ("abcaab", "111233"), ("bca", "001"), causal=True)
def running_count(x: Inputs) -> SOp:
    """How many of the tokens so far are `a`."""
    return number_of(x, lambda t: t == "a", "count")


@COUNTING("abc", 5, ("abac", "3333"), ("bb", "11"))
def distinct(x: Inputs) -> SOp:
    """How many different tokens the input has: the number of those that are the first of their kind."""
    first = test(lambda n: n == 1, occurrence(x), "first")
    return count(Select(first, x.tokens, lambda k, _: k == 1), "distinct")


@COUNTING("abc", 6, ("abac", "1111"), ("abb", "000"), ("ab", "11"))
def majority(x: Inputs) -> SOp:
    """Whether at least half of the tokens are `a`."""
    is_a = Map(lambda t: t == "a", x.tokens, numerical=True, name="is_a")
    share = Aggregate(Select(x.tokens, x.tokens, always), is_a, default=0, name="share")
    return Map(lambda s: Fraction(s) >= Fraction(1, 2), share, name="majority")


@COUNTING("abc", 5, ("abac", "1010"), ("ab", "11"), ("ccb", "110"))
def mode(x: Inputs) -> SOp:
    """Whether no other token occurs more often than this one."""
    histogram = count(Select(x.tokens, x.tokens, operator.eq), "histogram")
    more = count(Select(histogram, histogram, operator.gt), "more_frequent")
    return test(lambda n: n == 0, more, "mode")


@COUNTING("ab", 8, ("abba", "0000"), ("ab", "11"), ("aaa", "111"))
def parity(x: Inputs) -> SOp:
    """Whether the number of `a` is odd."""
    return test(lambda n: n % 2, number_of(x, lambda t: t == "a", "count"), "parity")


@COUNTING("ab", 8, ("abba", "1110"), ("aaa", "101"), causal=True)
def running_parity(x: Inputs) -> SOp:
    """Whether the number of `a` so far is odd."""
    return test(lambda n: n % 2, number_of(x, lambda t: t == "a", "count"), "parity")


@COUNTING("abc", 6, ("abcab", "22222"), ("ba", "00"), ("aab", "111"))
def count_bigram(x: Inputs) -> SOp:
    """How often `a` is followed by `b`."""
    before = shifted(x, x.tokens, 1, "c", "previous")
    hit = SequenceMap(lambda p, t: p == "a" and t == "b", before, x.tokens, name="bigram")
    return SelectorWidth(Select(hit, x.tokens, lambda k, _: k == 1), name="count")


@COUNTING("abc", 6, ("abba", "1000"), ("cab", "010"), causal=True)
def lead(x: Inputs) -> SOp:
    """Whether there were more `a` than `b` so far."""
    return table(operator.gt, *counts(x, "a", "b"), "lead")
