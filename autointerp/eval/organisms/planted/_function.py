"""What a planted latent may respond to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np

from autointerp.eval.organisms.planted._lexicon import Lexicon
from autointerp.eval.organisms.planted._machine import Machine


class Function(Protocol):
    """A known function of the tokens so far, said twice: as a program over the whole text, and as a machine.

    The truth runs the program, the network the tables of the machine; neither is derived from the other.
    """

    def levels(self, tokens: Sequence[str]) -> list[int]:
        """The level at every token, 0 where the function is not active, LEVELS at most."""
        ...

    def machine(self) -> Machine:
        """The same function, one token at a time."""
        ...

    def words(self) -> str:
        """The function in words, as the end of a sentence that starts with "active"."""
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """One latent of a feature: its function, None for one that no text explains, and its role in the feature.

    One that is `idle` has no effect on the logits.
    """

    function: Function | None
    role: str
    idle: bool = False


class Kind(Protocol):
    """One kind of planted feature.

    `summary` is one line about it. `density` is how a feature's density is had from those of its latents: that of the latent
    that is active most often, or, for a kind that is silent seldom, the share of positions at which it is silent.
    """

    summary: str

    def draw(self, random: np.random.Generator, lexicon: Lexicon, density: float) -> tuple[Part, ...]:
        """The latents of one feature, active at about this share of all positions."""
        ...

    def density(self, shares: Sequence[float]) -> float:
        """The density of a feature whose latents are active at these shares of all positions."""
        ...


class Frequent:
    """The usual way to say how often a feature is active: as often as the latent that is so most often."""

    def density(self, shares: Sequence[float]) -> float:
        """See `Kind`."""
        return max(shares)


def some(tokens: Sequence[str] | Mapping[str, int] | frozenset[str], most: int = 6) -> str:
    """Tokens in words, the first few of them."""
    shown = sorted(tokens)
    listed = ", ".join(repr(token) for token in shown[:most])
    return f"{listed} and {len(shown) - most} more" if len(shown) > most else listed


def as_record(function: Any) -> Any:
    """A function as plain data; `autointerp.eval.organisms.planted._record` reads it."""
    match function:
        case frozenset():
            return {"set": sorted(function)}
        case Mapping():
            return {"marks": dict(sorted(function.items()))}
        case tuple():
            return [as_record(part) for part in function]
        case None | bool() | int() | str():
            return function
        case _:
            values = {field.name: as_record(getattr(function, field.name)) for field in fields(function)}
            return {"function": type(function).__name__, **values}
