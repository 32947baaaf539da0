"""Programs that calculate."""

from __future__ import annotations

import operator
from fractions import Fraction

from autointerp.eval.organisms.programs._entry import Family, Inputs, count, counts, shifted, table, test
from autointerp.eval.organisms.rasp import Aggregate, Map, Select, SelectorWidth, SequenceMap, SOp, always

ARITHMETIC = Family("arithmetic", {})


def _sum_mod_3(x: Inputs) -> SOp:
    return table(lambda ones, twos: (ones + 2 * twos) % 3, *counts(x, 1, 2), "sum")


@ARITHMETIC((0, 1, 2), 6, ("1202", "2222"), ("21", "00"), ("0", "0"))
def sum_mod_3(x: Inputs) -> SOp:
    """The sum of all tokens modulo 3."""
    return _sum_mod_3(x)


@ARITHMETIC((0, 1, 2), 6, ("1202", "1002"), ("21", "20"), causal=True)
def running_sum_mod_3(x: Inputs) -> SOp:
    """The sum of the tokens so far modulo 3."""
    return _sum_mod_3(x)


@ARITHMETIC((0, 1, 2, 3), 5, ("1332", "1021"), ("30", "33"), causal=True)
def add_previous(x: Inputs) -> SOp:
    """The sum of a token and the one before it, modulo 4."""
    return table(lambda p, t: (p + t) % 4, shifted(x, x.tokens, 1, 0, "previous"), x.tokens, "sum")


@ARITHMETIC((0, 1, 2, 3), 5, ("1302", "0211"), ("30", "03"), causal=True)
def distance_to_first(x: Inputs) -> SOp:
    """The distance between a token and the first one."""
    start = Aggregate(Select(x.indices, x.tokens, lambda k, _: k == 0), x.tokens, default=0, name="first")
    return table(lambda a, b: abs(a - b), start, x.tokens, "distance")


@ARITHMETIC((1, 2, 3, 4), 5, ("2342", "2123"), ("44", "41"), causal=True)
def multiply_previous(x: Inputs) -> SOp:
    """The product of a token and the one before it, modulo 5."""
    return table(lambda p, t: p * t % 5, shifted(x, x.tokens, 1, 1, "previous"), x.tokens, "product")


@ARITHMETIC((0, 1, 2, 3), 5, ("1302", "1111"), ("3332", "2222"), ("01", "00"))
def mean(x: Inputs) -> SOp:
    """The mean of the tokens, rounded down."""
    return Map(lambda m: int(Fraction(m)), _mean(x), name="rounded")


@ARITHMETIC((0, 1, 2, 3), 5, ("1302", "0101"), ("22", "00"), ("013", "001"))
def above_mean(x: Inputs) -> SOp:
    """Whether a token is greater than the mean of all."""
    return SequenceMap(lambda m, t: Fraction(t) > Fraction(m), _mean(x), x.tokens, name="above")


@ARITHMETIC((0, 1), 8, ("1011", "1100"), ("111", "000"), ("0", "1"))
def increment(x: Inputs) -> SOp:
    """The input as a binary number, highest bit first, plus one: a bit changes if all those after it are 1."""
    zeros_after = Select(x.tokens, x.tokens, lambda k, _: k == 0) & Select(x.indices, x.indices, operator.gt)
    zeros = SelectorWidth(zeros_after, name="zeros_after")
    return table(lambda n, t: 1 - t if n == 0 else t, zeros, x.tokens, "incremented")


@ARITHMETIC((0, 1), 8, ("1011", "1110"), ("11", "10"), causal=True)
def gray_code(x: Inputs) -> SOp:
    """Each bit added to the one before it, modulo 2: the Gray code of a binary number."""
    return table(operator.xor, shifted(x, x.tokens, 1, 0, "previous"), x.tokens, "gray")


@ARITHMETIC((0, 1, 2), 6, ("1220", "-1 -1 -1 -1"), ("11", "22"), ("0", "0"))
def difference(x: Inputs) -> SOp:
    """The number of ones minus the number of twos."""
    return table(operator.sub, *counts(x, 1, 2), "difference")


@ARITHMETIC((0, 1, 2, 3, 4), 5, ("0123", "0241"), ("44", "33"), causal=True)
def double_mod_5(x: Inputs) -> SOp:
    """Twice the token modulo 5."""
    return test(lambda t: 2 * t % 5, x.tokens, "double")


@ARITHMETIC((0, 1, 2), 6, ("00000", "01201"), ("21", "22"), causal=True)
def add_index(x: Inputs) -> SOp:
    """The sum of a token and its place, modulo 3."""
    return table(lambda t, i: (t + i) % 3, x.tokens, x.indices, "sum")


@ARITHMETIC((0, 1, 2, 3), 4, ("1302", "2222"), ("33", "22"), ("21", "11"))
def count_sums(x: Inputs) -> SOp:
    """How many neighbours add up to 3 or more."""
    sums = table(lambda p, t: p + t >= 3, shifted(x, x.tokens, 1, 0, "previous"), x.tokens, "large")
    return count(Select(sums, x.tokens, lambda k, _: k == 1), "count")


def _mean(x: Inputs) -> SOp:
    numbers = Map(lambda t: t, x.tokens, numerical=True, name="number")
    return Aggregate(Select(x.tokens, x.tokens, always), numbers, default=0, name="mean")
