"""What can be said of a token by its surroundings: what a learner that has samples of a network's answers goes by."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt


def numbers(tokens: list[str], place: int, words: list[str]) -> list[int]:
    """A token as numbers: its place from either end, three neighbours to each side, how often each word is there."""
    codes = [words.index(token) if token in words else -1 for token in tokens]
    near = [codes[i] if 0 <= i < len(codes) else -2 for i in range(place - 3, place + 4)]
    before = [codes[: place + 1].count(code) for code in range(len(words))]
    return [
        place,
        len(codes) - place,
        codes[0],
        codes[-1],
        *near,
        *before,
        *[codes.count(c) for c in range(len(words))],
    ]


#: The function above as a program may contain it.
NUMBERS = inspect.getsource(numbers)


@dataclass(frozen=True, eq=False)
class Sampled:
    """Texts with the answers of a network at every token; `words` are those that occur in inputs."""

    words: tuple[str, ...]
    texts: Sequence[Sequence[str]]
    answers: Sequence[Sequence[str]]

    @cached_property
    def values(self) -> tuple[str, ...]:
        """Every answer that occurs."""
        return tuple(sorted({answer for row in self.answers for answer in row}))

    @cached_property
    def rows(self) -> npt.NDArray[np.int64]:
        """A row of `numbers` for every token of every text."""
        return rows_of(self.texts, self.words)

    @cached_property
    def targets(self) -> npt.NDArray[np.int64]:
        """The index of the answer at every token of every text."""
        known = {value: number for number, value in enumerate(self.values)}
        return np.array([known[answer] for row in self.answers for answer in row])


def rows_of(texts: Sequence[Sequence[str]], words: Sequence[str]) -> npt.NDArray[np.int64]:
    """`numbers` of every token of some texts."""
    return np.array([numbers(list(text), place, list(words)) for text in texts for place in range(len(text))])


def learned(sampled: Sampled, texts: Sequence[Sequence[str]]) -> list[str]:
    """What extremely randomised trees (Geurts et al. 2006) make of samples: an answer for every token of other texts."""
    from sklearn.ensemble import ExtraTreesClassifier

    forest: Any = ExtraTreesClassifier(n_estimators=50, random_state=0).fit(sampled.rows, sampled.targets)
    return [sampled.values[i] for i in forest.predict(rows_of(texts, sampled.words))]


def tree_source(sampled: Sampled, characters: int) -> str:
    """A decision tree learned from samples, as Python with a function `answer(tokens)` of so many characters at most."""
    from sklearn.tree import DecisionTreeClassifier

    leaves = 1024
    while True:
        tree: Any = (
            DecisionTreeClassifier(max_leaf_nodes=leaves, random_state=0).fit(sampled.rows, sampled.targets).tree_
        )
        nodes = [
            [int(f), int(np.floor(t)), int(left), int(right)] if left >= 0 else [int(v.argmax())]
            for f, t, left, right, v in zip(
                tree.feature, tree.threshold, tree.children_left, tree.children_right, tree.value, strict=True
            )
        ]
        source = _SOURCE.format(numbers=NUMBERS, words=list(sampled.words), values=list(sampled.values), nodes=nodes)
        if len(source) <= characters:
            return source
        leaves //= 2


_SOURCE = """\
{numbers}

words = {words!r}
values = {values!r}
nodes = {nodes!r}

def answer(tokens):
    found = []
    for place in range(len(tokens)):
        row, node = numbers(tokens, place, words), nodes[0]
        while len(node) > 1:
            node = nodes[node[2] if row[node[0]] <= node[1] else node[3]]
        found.append(values[node[0]])
    return found
"""
