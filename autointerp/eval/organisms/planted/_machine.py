"""Functions of a token sequence as finite-state machines, and the tables of integers that they become.

A machine says what a function does one token at a time. Where it is compiled, every state that can be reached is tried
with every class of tokens, so the tables hold the function and nothing but numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autointerp.errors import OrganismError

Ints = NDArray[np.int64]

#: How many degrees a function has above "not active", which is 0.
LEVELS = 8
#: No function needs more; one that does was drawn with bounds that are too wide.
_MOST_STATES = 4096


@dataclass(frozen=True, slots=True)
class Machine:
    """What a function does with one token after the other.

    Attributes
    ----------
    start: the state before the first token.
    sort: from a token to its class; tokens of one class are treated alike.
    step: from a state and a class to the next state and the level at this token, 0 to LEVELS.
    """

    start: Hashable
    sort: Callable[[str], Hashable]
    step: Callable[[Any, Any], tuple[Hashable, int]]


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """A compiled machine; state 0 is the start.

    Attributes
    ----------
    classes: the class of every token id, [vocabulary].
    states: the next state, [states, classes].
    levels: the level at the token, [states, classes].
    """

    classes: Ints
    states: Ints
    levels: Ints

    def run(self, ids: Ints) -> Ints:
        """The level at every token of texts [texts, tokens], which start at the first column."""
        found = np.empty_like(ids)
        state = np.zeros(len(ids), dtype=np.int64)
        for column in range(ids.shape[1]):
            kind = self.classes[ids[:, column]]
            found[:, column] = self.levels[state, kind]
            state = self.states[state, kind]
        return found


def compiled(machine: Machine, strings: Sequence[str]) -> Tables:
    """The tables of a machine for a vocabulary. Raises OrganismError for a machine with too many states."""
    numbers: dict[Hashable, int] = {}
    classes = np.array([numbers.setdefault(machine.sort(token), len(numbers)) for token in strings], dtype=np.int64)
    known: dict[Hashable, int] = {machine.start: 0}
    rows = list(_explored(machine, tuple(numbers), known))
    states, levels = (np.array([[pair[part] for pair in row] for row in rows], dtype=np.int64) for part in (0, 1))
    return Tables(classes, states, levels)


def _explored(
    machine: Machine, classes: tuple[Hashable, ...], known: dict[Hashable, int]
) -> Iterator[list[tuple[int, int]]]:
    """For every state that can be reached, in the order of its number: next state and level by class."""
    waiting = [machine.start]
    for state in waiting:
        row = []
        for kind in classes:
            following, level = machine.step(state, kind)
            if following not in known:
                known[following] = len(known)
                waiting.append(following)
            row.append((known[following], level))
        if len(known) > _MOST_STATES:
            raise OrganismError(f"a function with more than {_MOST_STATES} states cannot be planted: narrow its bounds")
        yield row


def together(machines: Sequence[Machine], level: Callable[[tuple[int, ...]], int]) -> Machine:
    """Several machines side by side, with a level made of theirs."""

    def step(states: tuple[Hashable, ...], kinds: tuple[Hashable, ...]) -> tuple[Hashable, int]:
        pairs = [m.step(state, kind) for m, state, kind in zip(machines, states, kinds, strict=True)]
        return tuple(pair[0] for pair in pairs), level(tuple(pair[1] for pair in pairs))

    return Machine(tuple(m.start for m in machines), lambda token: tuple(m.sort(token) for m in machines), step)
