"""Predicates over groups of tokens: what of a group came shortly before, how much of it, how long ago, and what it opened.

Each is computed here as its text in a program computes it there; a test holds the two together.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

_LISTED = 4


class Predicate(Protocol):
    """A value for every token of a text.

    Attributes
    ----------
    name: the Python name of its table in a program.
    expression: its value for a token, in terms of the reading `t` and of what `walk` yields.
    phrase: how a sentence speaks of it, with {} for the values.
    constants: the groups of tokens that the expression names.
    walk: what a program goes through beside `read(tokens)`: a name for each element, and a function of tokens, as source.
    """

    @property
    def name(self) -> str: ...
    @property
    def expression(self) -> str: ...
    @property
    def phrase(self) -> str: ...
    @property
    def constants(self) -> dict[str, frozenset[str]]: ...
    @property
    def walk(self) -> tuple[str, str] | None: ...

    def coded(self, texts: Sequence[Sequence[str]]) -> tuple[list[Any], NDArray[np.int64]]:
        """Its values over all tokens of the texts, put end to end: those there are, and a number into them each."""
        ...


class _Told(ABC):
    """A predicate whose values are had by going through a text."""

    __slots__ = ()

    @property
    @abstractmethod
    def kinds(self) -> list[Any]:
        """The values there are; that with number i is equal to i."""

    @abstractmethod
    def at(self, tokens: Sequence[str]) -> Iterable[int]:
        """The value at every token."""

    def coded(self, texts: Sequence[Sequence[str]]) -> tuple[list[Any], NDArray[np.int64]]:
        """See `Predicate`."""
        return self.kinds, np.fromiter(chain.from_iterable(map(self.at, texts)), dtype=np.int64)


class _Counted(_Told):
    """One whose values are whole numbers up to `most`."""

    __slots__ = ()

    @property
    @abstractmethod
    def most(self) -> int:
        """The largest value."""

    @property
    def kinds(self) -> list[Any]:
        """See above."""
        return list(range(self.most + 1))


class _Held(_Told):
    """One that holds or does not."""

    __slots__ = ()

    @property
    def kinds(self) -> list[Any]:
        """See above."""
        return [False, True]


@dataclass(frozen=True, slots=True)
class Marked(_Held):
    """Whether the token is one of a group."""

    group: frozenset[str]
    name = "MARKED"
    walk = None
    expression = 't["text"] in MARKED_GROUP'

    @property
    def phrase(self) -> str:
        """See `Predicate`."""
        return f"on one of {_escaped(self.group)}"

    @property
    def constants(self) -> dict[str, frozenset[str]]:
        """See `Predicate`."""
        return {"MARKED_GROUP": self.group}

    def at(self, tokens: Sequence[str]) -> Iterable[bool]:
        """See above."""
        return map(self.group.__contains__, tokens)


@dataclass(frozen=True, slots=True)
class Near(_Held):
    """Whether one of a group is among the `reach` tokens before, eight at most."""

    name: str
    group: frozenset[str]
    reach: int

    @property
    def expression(self) -> str:
        """See `Predicate`."""
        before = 't["before"]' if self.reach == 8 else f't["before"][:{self.reach}]'
        if len(self.group) == 1:
            return f"{next(iter(self.group))!r} in {before}"
        return f"any(x in {self.name}_GROUP for x in {before})"

    @property
    def phrase(self) -> str:
        """See `Predicate`."""
        return f"within {_number(self.reach, 'token')} after {_escaped(self.group)}"

    @property
    def constants(self) -> dict[str, frozenset[str]]:
        """See `Predicate`."""
        return {f"{self.name}_GROUP": self.group} if len(self.group) > 1 else {}

    @property
    def walk(self) -> None:
        """See `Predicate`."""
        return

    def at(self, tokens: Sequence[str]) -> Iterable[bool]:
        """See above."""
        last = -self.reach - 1
        for place, token in enumerate(tokens):
            yield place - last <= self.reach
            if token in self.group:
                last = place


@dataclass(frozen=True, slots=True)
class Dense(_Counted):
    """How many of the last `reach` tokens, this one included, are of a group; nine at most."""

    group: frozenset[str]
    reach: int
    name = "DENSE"
    walk = None

    @property
    def most(self) -> int:
        """The largest value."""
        return self.reach

    @property
    def expression(self) -> str:
        """See `Predicate`."""
        return f'sum(x in DENSE_GROUP for x in [t["text"], *t["before"][:{self.reach - 1}]])'

    @property
    def phrase(self) -> str:
        """See `Predicate`."""
        return f"with {{}} of the last {self.reach} tokens among {_escaped(self.group)}"

    @property
    def constants(self) -> dict[str, frozenset[str]]:
        """See `Predicate`."""
        return {"DENSE_GROUP": self.group}

    def at(self, tokens: Sequence[str]) -> Iterable[int]:
        """See above."""
        inside = [token in self.group for token in tokens]
        number = 0
        for place, here in enumerate(inside):
            number += here - (place >= self.reach and inside[place - self.reach])
            yield number


@dataclass(frozen=True, slots=True)
class Count(_Counted):
    """How many of a group there were up to this token since the last one that starts the count again."""

    group: frozenset[str]
    again: frozenset[str]
    name = "COUNT"
    most = 14

    @property
    def expression(self) -> str:
        """See `Predicate`."""
        return f"min(count, {self.most})"

    @property
    def phrase(self) -> str:
        """See `Predicate`."""
        since = f" since {_escaped(self.again)}" if self.again else ""
        return f"where {_escaped(self.group)} came {{}} times{since}"

    @property
    def constants(self) -> dict[str, frozenset[str]]:
        """See `Predicate`."""
        return {"COUNT_GROUP": self.group} | ({"COUNT_AGAIN": self.again} if self.again else {})

    @property
    def walk(self) -> tuple[str, str]:
        """See `Predicate`."""
        again = "        if token in COUNT_AGAIN:\n            count = 0\n" if self.again else ""
        return "count", (
            "def counts(tokens):\n"
            "    count, found = 0, []\n"
            "    for token in tokens:\n"
            "        count += token in COUNT_GROUP\n"
            "        found.append(count)\n"
            f"{again}"
            "    return found\n"
        )

    def at(self, tokens: Sequence[str]) -> Iterable[int]:
        """See above."""
        count = 0
        for token in tokens:
            count += token in self.group
            yield min(count, self.most)
            if token in self.again:
                count = 0


@dataclass(frozen=True, slots=True)
class Gap(_Counted):
    """How many tokens ago the last of a group was, 0 at one of them; the text begins after one."""

    group: frozenset[str]
    name = "GAP"
    most = 9

    @property
    def expression(self) -> str:
        """See `Predicate`."""
        return f"min(gap, {self.most})"

    @property
    def phrase(self) -> str:
        """See `Predicate`."""
        return f"{{}} tokens after the last of {_escaped(self.group)}"

    @property
    def constants(self) -> dict[str, frozenset[str]]:
        """See `Predicate`."""
        return {"GAP_GROUP": self.group}

    @property
    def walk(self) -> tuple[str, str]:
        """See `Predicate`."""
        return "gap", (
            "def gaps(tokens):\n"
            "    gap, found = 0, []\n"
            "    for token in tokens:\n"
            "        gap = 0 if token in GAP_GROUP else gap + 1\n"
            "        found.append(gap)\n"
            "    return found\n"
        )

    def at(self, tokens: Sequence[str]) -> Iterable[int]:
        """See above."""
        gap = 0
        for token in tokens:
            gap = 0 if token in self.group else gap + 1
            yield min(gap, self.most)


@dataclass(frozen=True, slots=True)
class Latch(_Held):
    """Whether an opening token stands `wait` tokens back or more, the first since the last closing one."""

    opens: frozenset[str]
    closes: frozenset[str]
    wait: int
    name = "LATCH"
    expression = "latch"

    @property
    def phrase(self) -> str:
        """See `Predicate`."""
        until = f", until {_escaped(self.closes)}" if self.closes else ""
        return f"once {_escaped(self.opens)} stands {_number(self.wait, 'token')} back or more{until}"

    @property
    def constants(self) -> dict[str, frozenset[str]]:
        """See `Predicate`."""
        return {"LATCH_OPENS": self.opens} | ({"LATCH_CLOSES": self.closes} if self.closes else {})

    @property
    def walk(self) -> tuple[str, str]:
        """See `Predicate`."""
        ends = "        if token in LATCH_CLOSES:\n            far = 0\n        el" if self.closes else "        "
        return "latch", (
            "def latches(tokens):\n"
            "    far, found = 0, []\n"
            "    for token in tokens:\n"
            f"        found.append(far >= {self.wait})\n"
            f"{ends}if far or token in LATCH_OPENS:\n"
            "            far += 1\n"
            "    return found\n"
        )

    def at(self, tokens: Sequence[str]) -> Iterable[bool]:
        """See above."""
        far = 0
        for token in tokens:
            yield far >= self.wait
            if token in self.closes:
                far = 0
            elif far or token in self.opens:
                far += 1


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _escaped(group: frozenset[str]) -> str:
    """Members in words. Braces are doubled, as a phrase is a format."""
    shown = sorted(group)
    listed = ", ".join(f"`{repr(token)[1:-1]}`" for token in shown[:_LISTED])
    more = f" and {len(shown) - _LISTED} more" if len(shown) > _LISTED else ""
    return f"{listed}{more}".replace("{", "{{").replace("}", "}}")
