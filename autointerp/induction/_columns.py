"""The predicates a rule can be made of: each a column of categories over all tokens of the texts.

A column has the expression that computes it inside a program, so that what was learned here and what the program does there
are the same thing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from autointerp.induction._grouped import grouped
from autointerp.induction._predicates import Near, Predicate
from autointerp.induction._sample import Sample
from autointerp.programs import read

Reading = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One predicate over `codes` [tokens]: category numbers into `values`."""

    predicate: Predicate
    values: list[Any]
    codes: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Field:
    """A predicate that is made of one field of a reading: the number of a row below."""

    row: int
    constants: ClassVar[dict[str, frozenset[str]]] = {}
    walk: ClassVar[None] = None

    @property
    def name(self) -> str:
        """See `Predicate`."""
        return _FIELDS[self.row][0]

    @property
    def expression(self) -> str:
        """See `Predicate`."""
        return _FIELDS[self.row][1]

    @property
    def phrase(self) -> str:
        """See `Predicate`."""
        return _FIELDS[self.row][2]

    def coded(self, texts: Sequence[Sequence[str]]) -> tuple[list[Any], NDArray[np.int64]]:
        """See `Predicate`."""
        codes = np.concatenate([_coded(tuple(text))[self.row] for text in texts]).astype(np.int64)
        known = _VALUES[self.row]
        there = np.zeros(len(known), dtype=bool)
        there[codes] = True
        return [known[i] for i in np.flatnonzero(there)], (np.cumsum(there) - 1)[codes]


#: name, expression, phrase, and the same expression as a function.
_FIELDS: list[tuple[str, str, str, Callable[[Reading], Any]]] = [
    ("TEXT", 't["text"]', "on {}", itemgetter("text")),
    ("PREV", 't["prev"]', "after {}", itemgetter("prev")),
    ("PREV2", 't["prev2"]', "two after {}", itemgetter("prev2")),
    ("PREV3", 't["prev3"]', "three after {}", itemgetter("prev3")),
    ("PAIR", 't["pair"]', "on the pair {}", itemgetter("pair")),
    ("SHAPE", 't["shape"]', "on tokens of the shape {}", itemgetter("shape")),
    ("WORD", 't["word"]', "in the word {}", itemgetter("word")),
    ("LEFT", 't["left"]', "after the word {}", itemgetter("left")),
    ("FIRST", 't["first"]', "on lines that begin with {}", itemgetter("first")),
    ("ABOVE", 't["above"]', "below lines that begin with {}", itemgetter("above")),
    ("CALLEE", 't["callee"]', "in the brackets of {}", itemgetter("callee")),
    ("FOLLOW", 't["follow"]', "on tokens last followed by {}", itemgetter("follow")),
    ("OPENER", 't["opener"]', "inside {}", itemgetter("opener")),
    ("KIND", 't["kind"]', "on a {}", itemgetter("kind")),
    ("PREV_KIND", 't["prev_kind"]', "after a {}", itemgetter("prev_kind")),
    ("PROSE", 't["prose"]', "in {}", itemgetter("prose")),
    ("DEPTH", 'min(t["depth"], 3)', "at bracket depth {}", lambda t: min(t["depth"], 3)),
    ("COLUMN", 'min(t["column"], 6)', "at token {} of the line", lambda t: min(t["column"], 6)),
    ("INDENT", 'min(t["indent"], 16)', "at indentation {}", lambda t: min(t["indent"], 16)),
    ("SEEN", 'min(t["seen"], 3)', "on tokens seen {} times before", lambda t: min(t["seen"], 3)),
    ("PIECE", 'min(t["piece"], 4)', "on piece {} of a word", lambda t: min(t["piece"], 4)),
    ("PLACE", 'min(t["position"], 60)', "at tokens {} of the text", lambda t: min(t["position"], 60)),
    ("STRETCH", 'min(t["position"] // 4, 15)', "in stretches {} of four tokens", lambda t: min(t["position"] // 4, 15)),
    ("SINCE", 'min(t["since"], 9)', "on tokens last seen {} tokens ago", lambda t: min(t["since"], 9)),
]
#: Tokens tried as "within eight tokens after", those that precede the activation most tellingly first.
_RECENT, _REACH, _FEWEST = 6, 8, 10


def columns_of(texts: Sequence[Sequence[str]], y: NDArray[np.float64], aside: NDArray[np.bool_]) -> list[Column]:
    """Every predicate over the tokens of the texts, put end to end.

    Parameters
    ----------
    y: activations, [tokens]; they decide which groups of tokens get a predicate.
    aside: tokens of texts from which no group is learned, [tokens]: whole texts.
    """
    coded = np.concatenate([_coded(tuple(text)) for text in texts], axis=1)
    place = np.arange(coded.shape[1])
    columns = []
    for row, (codes, known) in enumerate(zip(coded, _VALUES, strict=True)):
        # By first occurrence in these texts: numbers of values tell which texts this process happened to read before, and
        # entries that are worth the same would be in that order.
        first = np.empty(len(known), dtype=np.int64)
        first[codes[::-1]] = place[::-1]  # of an index that comes again, the last value stays
        present = codes[first[codes] == place]
        rank = np.empty(len(known), dtype=np.int64)
        rank[present] = np.arange(len(present))
        columns.append(Column(Field(row), [known[i] for i in present], rank[codes]))
    lengths = [len(text) for text in texts]
    starts = np.repeat(np.cumsum([0, *lengths[:-1]]), lengths)
    codes, strings = columns[0].codes, columns[0].values
    before = _before(codes, starts)
    for number, code in enumerate(_telling(before, y, len(strings))):
        near = Near(f"NEAR{number}", frozenset([strings[code]]), _REACH)
        columns.append(Column(near, [False, True], (before == code).any(0).astype(np.int64)))
    seen = np.flatnonzero(~aside)
    # Where a text begins among those seen.
    first = np.searchsorted(seen, starts[seen])
    learned = grouped(Sample(strings, codes[seen], before[:, seen], first, y[seen]))
    return columns + [Column(predicate, *predicate.coded(texts)) for predicate in learned]


#: By field: the number of each value that ever occurred, and the values by number.
_NUMBERS: list[dict[Any, int]] = [{} for _ in _FIELDS]
_VALUES: list[list[Any]] = [[] for _ in _FIELDS]


@lru_cache(maxsize=4096)
def _coded(text: tuple[str, ...]) -> NDArray[np.int32]:
    """The value numbers of all fields, [fields, tokens]. Features share their texts, so each is read once."""
    readings = read(list(text))
    codes = np.empty((len(_FIELDS), len(text)), dtype=np.int32)
    for row, (_, _, _, of), numbers, values in zip(codes, _FIELDS, _NUMBERS, _VALUES, strict=True):
        found = list(map(of, readings))
        for value in found:
            if value not in numbers:
                numbers[value] = len(values)
                values.append(value)
        row[:] = list(map(numbers.__getitem__, found))
    return codes


def _before(codes: NDArray[np.int64], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The codes of the eight tokens before each token of its own text, [8, tokens]; -1 where the text is younger."""
    place = np.arange(len(codes))
    rows = np.full((_REACH, len(codes)), -1, dtype=np.int64)
    for offset in range(1, _REACH + 1):
        inside = place - offset >= starts
        rows[offset - 1, inside] = codes[place[inside] - offset]
    return rows


def _telling(before: NDArray[np.int64], y: NDArray[np.float64], size: int) -> list[int]:
    """Tokens whose presence among the last eight goes with activation: mean difference times root of the count."""
    counts, sums = np.zeros(size), np.zeros(size)
    for row in before:
        inside = row >= 0
        counts += np.bincount(row[inside], minlength=size)
        sums += np.bincount(row[inside], weights=y[inside], minlength=size)
    score = np.where(counts >= _FEWEST, (sums / np.maximum(counts, 1) - y.mean()) * np.sqrt(counts), -np.inf)
    best = np.argsort(-score, kind="stable")[:_RECENT]
    return [int(code) for code in best if np.isfinite(score[code])]
