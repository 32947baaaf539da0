"""Programs that move tokens about."""

from __future__ import annotations

import operator

from autointerp.eval.organisms.programs._entry import (
    Family,
    Inputs,
    count,
    mirror,
    number_of,
    occurrence,
    shifted,
    table,
    test,
    whole_length,
)
from autointerp.eval.organisms.rasp import Aggregate, Map, Select, SelectorWidth, SequenceMap, SOp

COPYING = Family("copying and induction", {})
_NONE = "-"


@COPYING("abc", 6, ("abca", "-abc"), ("b", "-"), causal=True)
def previous(x: Inputs) -> SOp:
    """The token before; - for the first."""
    return shifted(x, x.tokens, 1, _NONE, "previous")


@COPYING("abc", 6, ("abca", "--ab"), ("bb", "--"), causal=True)
def two_back(x: Inputs) -> SOp:
    """The token two places earlier, fetched in two steps; - for the first two."""
    once = shifted(x, x.tokens, 1, _NONE, "previous")
    return shifted(x, once, 1, _NONE, "two_back")


@COPYING("abc", 6, ("abca", "bca-"), ("b", "-"))
def following(x: Inputs) -> SOp:
    """The token after; - for the last."""
    return shifted(x, x.tokens, -1, _NONE, "following")


@COPYING("abc", 6, ("abcc", "ccba"), ("ab", "ba"))
def reverse(x: Inputs) -> SOp:
    """The input backwards."""
    return Aggregate(Select(x.indices, mirror(x), operator.eq), x.tokens, default="a", name="reversed")


@COPYING("abc", 6, ("abcc", "bcca"), ("ab", "ba"), ("c", "c"))
def rotate(x: Inputs) -> SOp:
    """The input with its first token moved to the end."""
    place = table(lambda n, i: (i + 1) % n if n else 0, whole_length(x), x.indices, "place")
    return Aggregate(Select(x.indices, place, operator.eq), x.tokens, default="a", name="rotated")


@COPYING("abcd", 6, ("cabd", "cccc"), ("a", "a"), causal=True)
def first(x: Inputs) -> SOp:
    """The first token, everywhere."""
    return Aggregate(Select(x.indices, x.tokens, lambda k, _: k == 0), x.tokens, default="a", name="first")


@COPYING("abc", 6, ("cabb", "bbbb"), ("a", "a"))
def last(x: Inputs) -> SOp:
    """The last token, everywhere."""
    place = test(lambda n: n - 1, whole_length(x), "last_place")
    return Aggregate(Select(x.indices, place, operator.eq), x.tokens, default="a", name="last")


@COPYING("abc", 6, ("abcab", "---bc"), ("aab", "-a-"), ("abaca", "--b-c"), causal=True)
def induction(x: Inputs) -> SOp:
    """The token that followed the last earlier occurrence of this one; - where there is none.

    Each token knows the token before it and how often that has come before, so it can say: I follow the third `a`.
    """
    before = shifted(x, x.tokens, 1, _NONE, "previous")
    own = count(Select(x.tokens, x.tokens, operator.eq), "occurrence")
    number = shifted(x, own, 1, 0, "number")
    earlier = test(lambda n: max(n - 1, 0), own, "earlier")
    match = Select(before, x.tokens, operator.eq) & Select(number, earlier, operator.eq)
    return Aggregate(match, x.tokens, default=_NONE, name="induction")


@COPYING("abc", 6, ("abcac", "bbbbb"), ("bca", "---"), ("aab", "aaa"))
def after_first_a(x: Inputs) -> SOp:
    """The token after the first `a`, everywhere; - where there is none."""
    before = shifted(x, x.tokens, 1, _NONE, "previous")
    place = shifted(x, occurrence(x), 1, 0, "number")
    after = SequenceMap(lambda t, n: t == "a" and n == 1, before, place, name="after_a")
    return Aggregate(Select(after, x.tokens, lambda k, _: k == 1), x.tokens, default=_NONE, name="found")


@COPYING("ab_", 6, ("a__b_", "aaabb"), ("_b", "-b"), causal=True)
def fill_blanks(x: Inputs) -> SOp:
    """Each blank `_` filled with the last letter before it; - where there is none."""
    letters = number_of(x, lambda t: t != "_", "letters")
    is_letter = Map(lambda t: t != "_", x.tokens, name="is_letter")
    source = Select(letters, letters, operator.eq) & Select(is_letter, x.tokens, lambda k, _: k == 1)
    return Aggregate(source, x.tokens, default=_NONE, name="filled")


@COPYING("ab|", 6, ("ab|aa", "---ab"), ("|b", "-|"), ("b|||", "--b|"), causal=True)
def copy_after_bar(x: Inputs) -> SOp:
    """After the first bar `|` the input from its start again; - before that."""
    bars = number_of(x, lambda t: t == "|", "bars")
    is_first = SequenceMap(lambda t, n: t == "|" and n == 1, x.tokens, bars, name="first_bar")
    bar = Aggregate(Select(is_first, x.tokens, lambda k, _: k == 1), x.indices, default=-1, name="bar")
    place = table(lambda b, i: i - b - 1 if 0 <= b < i else -1, bar, x.indices, "place")
    return Aggregate(Select(x.indices, place, operator.eq), x.tokens, default=_NONE, name="copied")


@COPYING("abc", 6, ("abca", "baac"), ("abc", "bac"), ("c", "c"))
def swap_pairs(x: Inputs) -> SOp:
    """The tokens of each pair of places swapped; an odd one at the end stays."""
    partner = test(lambda i: i + 1 if i % 2 == 0 else i - 1, x.indices, "partner")
    other = Aggregate(Select(x.indices, partner, operator.eq), x.tokens, default=_NONE, name="other")
    return SequenceMap(lambda o, t: t if o == _NONE else o, other, x.tokens, name="swapped")


@COPYING("abc", 6, ("abcab", "abcbc"), ("aa", "aa"), ("c", "c"), causal=True)
def once_each(x: Inputs) -> SOp:
    """The token if it is new, else the token that followed its first occurrence."""
    before = shifted(x, x.tokens, 1, _NONE, "previous")
    own = SelectorWidth(Select(x.tokens, x.tokens, operator.eq), name="occurrence")
    number = shifted(x, own, 1, 0, "number")
    follows = Select(before, x.tokens, operator.eq) & Select(number, x.tokens, lambda k, _: k == 1)
    next_ = Aggregate(follows, x.tokens, default=_NONE, name="follower")
    return SequenceMap(lambda f, t: t if f == _NONE else f, next_, x.tokens, name="answer")
