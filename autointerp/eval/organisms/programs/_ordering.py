"""Programs that sort and compare."""

from __future__ import annotations

import operator

from autointerp.eval.organisms.programs._entry import Family, Inputs, count, counts, shifted, table, test, whole_length
from autointerp.eval.organisms.rasp import Aggregate, Constant, Select, SelectorWidth, SequenceMap, SOp

ORDERING = Family("sorting and order", {})
_DIGITS = (1, 2, 3, 4)


def _place(x: Inputs, keys: SOp, *, descending: bool = False) -> SOp:
    """Where each token goes when sorted by `keys`; of equal ones the earlier goes first."""
    before = count(Select(keys, keys, operator.gt if descending else operator.lt), "ahead")
    earlier = Select(keys, keys, operator.eq) & Select(x.indices, x.indices, operator.lt)
    ties = SelectorWidth(earlier, name="ties")
    # Together they are less than the length, except where an intervention says otherwise.
    return table(lambda a, b: min(a + b, x.longest), before, ties, "place")


def _at_place(x: Inputs, place: SOp, wanted: SOp, name: str) -> SOp:
    return Aggregate(Select(place, wanted, operator.eq), x.tokens, default=_DIGITS[0], name=name)


@ORDERING(_DIGITS, 5, ("4213", "1234"), ("221", "122"), ("3", "3"))
def sort(x: Inputs) -> SOp:
    """The tokens in ascending order."""
    return _at_place(x, _place(x, x.tokens), x.indices, "sorted")


@ORDERING(_DIGITS, 5, ("4213", "4321"), ("121", "211"))
def sort_descending(x: Inputs) -> SOp:
    """The tokens in descending order."""
    return _at_place(x, _place(x, x.tokens, descending=True), x.indices, "sorted")


@ORDERING(_DIGITS, 5, ("2421", "1310"), ("33", "00"))
def rank(x: Inputs) -> SOp:
    """How many tokens are less than this one."""
    return count(Select(x.tokens, x.tokens, operator.lt), "rank")


@ORDERING(_DIGITS, 5, ("2421", "4444"), ("13", "33"))
def maximum(x: Inputs) -> SOp:
    """The largest token of the input."""
    larger = count(Select(x.tokens, x.tokens, operator.gt), "larger")
    return Aggregate(Select(larger, x.tokens, lambda k, _: k == 0), x.tokens, default=1, name="maximum")


@ORDERING(_DIGITS, 5, ("2421", "1111"), ("43", "33"))
def minimum(x: Inputs) -> SOp:
    """The smallest token of the input."""
    smaller = count(Select(x.tokens, x.tokens, operator.lt), "smaller")
    return Aggregate(Select(smaller, x.tokens, lambda k, _: k == 0), x.tokens, default=4, name="minimum")


@ORDERING(_DIGITS, 5, ("2413", "2222"), ("441", "444"))
def median(x: Inputs) -> SOp:
    """The lower median of the input."""
    middle = test(lambda n: max(n - 1, 0) // 2, whole_length(x), "middle")
    return _at_place(x, _place(x, x.tokens), middle, "median")


@ORDERING(_DIGITS, 5, ("1223", "1111"), ("132", "000"), ("4", "1"))
def is_sorted(x: Inputs) -> SOp:
    """Whether no token is less than the one before it."""
    falls = SequenceMap(lambda p, t: p > t, shifted(x, x.tokens, 1, 1, "previous"), x.tokens, name="falls")  # type: ignore[operator]
    return test(lambda n: n == 0, count(Select(falls, x.tokens, lambda k, _: k == 1), "count"), "is_sorted")


@ORDERING(_DIGITS, 5, ("3142", "0102"), ("4321", "0123"), causal=True)
def inversions(x: Inputs) -> SOp:
    """How many earlier tokens are greater than this one."""
    return count(Select(x.tokens, x.tokens, operator.gt), "inversions")


@ORDERING((1, 2, 3), 6, ("1213", "1223"), ("321", "333"), causal=True)
def running_maximum(x: Inputs) -> SOp:
    """The largest token so far."""
    return table(lambda two, three: 3 if three else 2 if two else 1, *counts(x, 2, 3), "maximum")


@ORDERING(_DIGITS, 5, ("1312", "0101"), ("22", "00"), ("4", "1"))
def local_maximum(x: Inputs) -> SOp:
    """Whether a token is greater than both its neighbours."""
    rises = SequenceMap(operator.lt, shifted(x, x.tokens, 1, 0, "previous"), x.tokens, name="rises")
    falls = SequenceMap(operator.lt, shifted(x, x.tokens, -1, 0, "next"), x.tokens, name="falls")
    return table(lambda a, b: a and b, rises, falls, "peak")


@ORDERING(_DIGITS, 5, ("2413", "3333"), ("44", "44"), ("2", "1"))
def second_largest(x: Inputs) -> SOp:
    """The second largest token, 1 where there is only one."""
    return _at_place(x, _place(x, x.tokens, descending=True), Constant(1, name="second"), "second_largest")


@ORDERING("abc", 5, ("abcb", "bbac"), ("cca", "cca"))
def sort_by_frequency(x: Inputs) -> SOp:
    """The tokens with the most frequent first, else in the order of the input."""
    histogram = count(Select(x.tokens, x.tokens, operator.eq), "histogram")
    place = _place(x, histogram, descending=True)
    return Aggregate(Select(place, x.indices, operator.eq), x.tokens, default="a", name="sorted")
