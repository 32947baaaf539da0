"""The predicates a rule can be made of: each a column of categories over all tokens of the texts.

A column has the expression that computes it inside a program, so that what was learned here and what the program does there
are the same thing.
"""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autointerp.programs import read

Reading = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One predicate over `codes` [tokens]: category numbers into `values`.

    Attributes
    ----------
    name: the Python name of its table in a program.
    expression: its value for a token, in terms of the reading `t`.
    phrase: how a sentence speaks of it, with {} for the values.
    """

    name: str
    expression: str
    phrase: str
    values: list[Any]
    codes: NDArray[np.int64]


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
    ("START", 'min(t["position"] // 2, 8)', "in pair {} of the text", lambda t: min(t["position"] // 2, 8)),
    ("SINCE", 'min(t["since"], 9)', "on tokens last seen {} tokens ago", lambda t: min(t["since"], 9)),
]
#: Tokens tried as "within eight tokens after", those that precede the activation most tellingly first.
_RECENT, _REACH, _FEWEST = 6, 8, 10
_NEAR = ' in t["before"]'


def columns_of(texts: Sequence[Sequence[str]], y: NDArray[np.float64]) -> list[Column]:
    """Every predicate over the tokens of the texts, put end to end; `y` [tokens] only decides which recent tokens get one."""
    coded = np.concatenate([_coded(tuple(text)) for text in texts], axis=1)
    columns = []
    for (name, expression, phrase, _), codes, known in zip(_FIELDS, coded, _VALUES, strict=True):
        # By first occurrence in these texts: numbers of values tell which texts this process happened to read before, and
        # entries that are worth the same would be in that order.
        present, first, compact = np.unique(codes, return_index=True, return_inverse=True)
        order = np.argsort(first)
        rank = np.argsort(order)
        columns.append(Column(name, expression, phrase, [known[present[i]] for i in order], rank[compact]))
    starts = np.cumsum([0, *(len(text) for text in texts)])[:-1]
    before = _before(columns[0].codes, starts)
    for i, code in enumerate(_telling(before, y, len(columns[0].values))):
        token = columns[0].values[code]
        expression = f"{token!r}{_NEAR}"
        # Braces doubled: a phrase has {} for values, and this one has none.
        phrase = f"within eight tokens after `{repr(token)[1:-1]}`".replace("{", "{{").replace("}", "}}")
        columns.append(Column(f"NEAR{i}", expression, phrase, [False, True], (before == code).any(0).astype(np.int64)))
    return columns


def coded_by_expression(texts: Sequence[Sequence[str]], expression: str) -> tuple[list[Any], NDArray[np.int64]]:
    """The value of a column's expression at all tokens of the texts, put end to end: values, and a number into them each."""
    names = [field[1] for field in _FIELDS]
    coded = [_coded(tuple(text)) for text in texts]
    if expression in names:
        row = names.index(expression)
        codes = np.concatenate([each[row] for each in coded]).astype(np.int64)
        present, compact = np.unique(codes, return_inverse=True)
        return [_VALUES[row][i] for i in present], compact.astype(np.int64)
    number = _NUMBERS[0].get(literal_eval(expression.removesuffix(_NEAR)), -2)
    starts = np.cumsum([0, *(len(text) for text in texts)])[:-1]
    codes = np.concatenate([each[0] for each in coded]).astype(np.int64)
    return [False, True], (_before(codes, starts) == number).any(0).astype(np.int64)


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
    first = np.zeros(len(codes), dtype=np.int64)
    first[starts] = starts
    first = np.maximum.accumulate(first)
    rows = np.full((_REACH, len(codes)), -1, dtype=np.int64)
    for offset in range(1, _REACH + 1):
        inside = place - offset >= first
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
