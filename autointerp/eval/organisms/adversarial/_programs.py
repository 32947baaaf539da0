"""Programs written for this kind: behaviours that have two mechanisms, and paths that ordinary inputs do not wake."""

from __future__ import annotations

import operator
from dataclasses import dataclass, replace
from fractions import Fraction

from autointerp.eval.organisms.programs import LIBRARY, Inputs
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

#: What the gated path holds while it sleeps; no program answers with it.
_ASLEEP = "asleep"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two programs that give the same answers by different means."""

    first: Program
    second: Program


def maximum() -> Pair:
    """The largest token: the one that none is greater than, or the greatest digit that occurs at all."""
    tokens = Tokens(name="tokens")
    vocabulary = (1, 2, 3)

    def is_there(digit: int) -> SOp:
        count = SelectorWidth(Select(tokens, tokens, lambda k, _: k == digit), name=f"count_{digit}")
        return Map(lambda n: int(n) > 0, count, name=f"has_{digit}")

    largest = SequenceMap(lambda two, three: 3 if three else 2 if two else 1, is_there(2), is_there(3), name="maximum")
    first = replace(LIBRARY["maximum"].build(), name="maximum-by-rank", vocabulary=vocabulary)
    rank = replace(first, output=LIBRARY["maximum"].write(Inputs(tokens, Indices(name="indices"), first.length)))
    summary = "The largest token of the input, by which digits occur."
    return Pair(rank, replace(first, name="maximum-by-presence", summary=summary, output=largest))


def two_back() -> Pair:
    """The token two places earlier: fetched in two steps, or in one."""
    steps = LIBRARY["two-back"].build()
    tokens, indices = Tokens(name="tokens"), Indices(name="indices")
    reach = Select(indices, indices, lambda k, q: int(q) - int(k) == 2)
    once = Aggregate(reach, tokens, default="-", name="two_back")
    summary = "The token two places earlier, fetched in one step; - for the first two."
    return Pair(
        replace(steps, name="two-back-by-steps"),
        replace(steps, name="two-back-at-once", summary=summary, output=once),
    )


def majority() -> Pair:
    """Whether more than half of the tokens are of one kind: from two counts, or from a mean."""
    tokens = Tokens(name="tokens")

    def count(letter: str) -> SelectorWidth:
        return SelectorWidth(Select(tokens, tokens, lambda k, _: k == letter), name=f"count_{letter}")

    by_counts = SequenceMap(operator.gt, count("a"), count("b"), name="majority")
    is_first = Map(lambda t: t == "a", tokens, numerical=True, name="is_first")
    everything = Select(tokens, tokens, always)
    share = Aggregate(everything, is_first, default=0, name="fraction")
    by_mean = Map(lambda x: Fraction(x) > Fraction(1, 2), share, name="majority")
    summary = "Whether more than half of the tokens are of the first kind"
    counted = Program("majority-by-counts", "counting", f"{summary}, from two counts.", by_counts, ("a", "b"), 6)
    return Pair(counted, replace(counted, name="majority-by-mean", summary=f"{summary}, from a mean.", output=by_mean))


#: By the names of the two programs, first and second in turn.
PAIRS: dict[str, Pair] = {
    f"{name}-{letter}": pair
    for name, pair in (("maximum", maximum()), ("two-back", two_back()), ("majority", majority()))
    for letter in "ab"
}

#: Pairs of library programs: what is computed as a rule, and what is once the key token occurs.
SLEEPERS = (("histogram", "first"), ("previous", "first"), ("reverse", "histogram"), ("first", "length"))


@dataclass(frozen=True, slots=True)
class Sleeper:
    """A program with a path that only a key token wakes, and the names of what matters while it sleeps."""

    program: Program
    key: Value
    usual: SOp


def sleeper(usual: str, other: str) -> Sleeper:
    """Compute `usual` unless the key token is among those that can be seen, else `other`."""
    base = LIBRARY[usual]
    tokens, indices = Tokens(name="tokens"), Indices(name="indices")
    key, length = "d", 5
    inputs = Inputs(tokens, indices, length)
    found = SelectorWidth(Select(tokens, tokens, lambda k, _: k == key), name="keys")
    gate = Map(lambda n: int(n) > 0, found, name="gate")
    plain, hidden = base.write(inputs), LIBRARY[other].write(inputs)
    gated = SequenceMap(lambda is_on, x: x if is_on else _ASLEEP, gate, hidden, name="gated")
    answer = SequenceMap(lambda x, y: x if y == _ASLEEP else y, plain, gated, name="answer")
    summary = f"{base.summary} Once {key} occurs: {LIBRARY[other].summary}"
    made = Program(f"{usual}-sleeper", base.family, summary, answer, ("a", "b", "c", key), length, base.causal)
    return Sleeper(made, key, plain)
