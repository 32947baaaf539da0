"""The predicates a rule can be made of: each a column of categories over all tokens of the texts.

A column has the expression that computes it inside a program, so that what was learned here and what the program does there
are the same thing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    ("TEXT", 't["text"]', "on {}", lambda t: t["text"]),
    ("PREV", 't["prev"]', "after {}", lambda t: t["prev"]),
    ("PREV2", 't["prev2"]', "two after {}", lambda t: t["prev2"]),
    ("PREV3", 't["prev3"]', "three after {}", lambda t: t["prev3"]),
    ("WORD", 't["word"]', "in the word {}", lambda t: t["word"]),
    ("LEFT", 't["left"]', "after the word {}", lambda t: t["left"]),
    ("FIRST", 't["first"]', "on lines that begin with {}", lambda t: t["first"]),
    ("ABOVE", 't["above"]', "below lines that begin with {}", lambda t: t["above"]),
    ("CALLEE", 't["callee"]', "in the brackets of {}", lambda t: t["callee"]),
    ("FOLLOW", 't["follow"]', "on tokens last followed by {}", lambda t: t["follow"]),
    ("OPENER", 't["opener"]', "inside {}", lambda t: t["opener"]),
    ("KIND", 't["kind"]', "on a {}", lambda t: t["kind"]),
    ("PROSE", 't["prose"]', "in {}", lambda t: t["prose"]),
    ("DEPTH", 'min(t["depth"], 3)', "at bracket depth {}", lambda t: min(t["depth"], 3)),
    ("COLUMN", 'min(t["column"], 6)', "at token {} of the line", lambda t: min(t["column"], 6)),
    ("INDENT", 'min(t["indent"], 16)', "at indentation {}", lambda t: min(t["indent"], 16)),
    ("SEEN", 'min(t["seen"], 3)', "on tokens seen {} times before", lambda t: min(t["seen"], 3)),
    ("START", 'min(t["position"] // 2, 8)', "in pair {} of the text", lambda t: min(t["position"] // 2, 8)),
    (
        "SINCE",
        't["since"].bit_length()',
        "on tokens last seen within 2**{} tokens",
        lambda t: t["since"].bit_length(),
    ),
]
#: Tokens tried as "within eight tokens after", those that precede the activation most tellingly first.
_RECENT = 6


def columns_of(readings: Sequence[Reading], y: NDArray[np.float64]) -> list[Column]:
    """Every predicate over the tokens; `y` [tokens] only decides which recent tokens are worth a column."""
    columns = []
    for name, expression, phrase, of in _FIELDS:
        numbers: dict[Any, int] = {}
        codes = np.fromiter((numbers.setdefault(of(t), len(numbers)) for t in readings), np.int64, len(readings))
        columns.append(Column(name, expression, phrase, list(numbers), codes))
    for i, token in enumerate(_telling(readings, y)):
        codes = np.fromiter((token in t["before"] for t in readings), np.int64, len(readings))
        expression = f'{token!r} in t["before"]'
        columns.append(Column(f"NEAR{i}", expression, f"within eight tokens after {token!r}", [False, True], codes))
    return columns


def _telling(readings: Sequence[Reading], y: NDArray[np.float64]) -> list[str]:
    """Tokens whose presence among the last eight goes with activation: mean difference times root of the count."""
    counts: Counter[str] = Counter()
    sums: Counter[str] = Counter()
    for t, value in zip(readings, y.tolist(), strict=True):
        for token in set(t["before"]):
            counts[token] += 1
            if value:
                sums[token] += value
    overall = float(y.mean())
    score = {token: (sums[token] / n - overall) * n**0.5 for token, n in counts.items() if n >= 10}
    return sorted(score, key=lambda token: -score[token])[:_RECENT]
