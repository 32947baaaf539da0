"""What every kind of organism is to those who use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from autointerp.models import Subject
from autointerp.records import Site

Knob = int | float | str | bool


@dataclass(frozen=True, slots=True)
class Component:
    """A part of a network that holds a variable.

    Attributes
    ----------
    site: where in the network.
    coordinates: which coordinates of the activations there are its own; empty where it shares them all.
    codes: what each value of the variable adds to the activations, [values][width]; empty where the component computes them.
    """

    site: Site
    coordinates: tuple[int, ...] = ()
    codes: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """A variable of the truth: its name, the role of its component in the field's words, and the component."""

    name: str
    role: str
    component: Component


@dataclass(frozen=True, slots=True)
class Edge:
    """That one variable is computed from another, and how: as query, key, value or input; the target may be `logits`."""

    source: str
    target: str
    role: str


@runtime_checkable
class Truth(Protocol):
    """What an organism computes, and where. Executable: it never runs the network."""

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The variables and their components."""
        ...

    @property
    def edges(self) -> tuple[Edge, ...]:
        """What is computed from what."""
        ...

    def values(self, text: str) -> Mapping[str, Sequence[str | int | float | Fraction | None]]:
        """The value of every variable at every token of a text, BOS left out; None where it has none."""
        ...

    def record(self) -> dict[str, Any]:
        """The whole truth as plain data that JSON can hold."""
        ...


@dataclass(frozen=True, slots=True)
class Card:
    """An organism in words, for those who may know its truth.

    `mechanism` says step by step how it does it; `figures` are the sizes and knobs.
    """

    title: str
    kind: str
    summary: str
    mechanism: tuple[str, ...]
    figures: Mapping[str, Knob] = field(default_factory=dict)

    def markdown(self) -> str:
        """The card as a page."""
        steps = [f"{number}. {step}" for number, step in enumerate(self.mechanism, start=1)]
        figures = [f"- {name}: {value}" for name, value in self.figures.items()]
        return "\n".join([f"# {self.title}", "", f"*{self.kind}*. {self.summary}", "", *steps, "", *figures, ""])

    def record(self) -> dict[str, Any]:
        """The card as plain data."""
        return asdict(self) | {"figures": dict(self.figures)}


@dataclass(frozen=True, slots=True)
class Saved:
    """Where an organism was written: what an investigator may see, and what only a grader may."""

    subject: Path
    answer: Path


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure that says whether the truth is the truth; `floor` and `ceiling` are what it may be, None where there is none."""

    name: str
    value: float
    floor: float | None = None
    ceiling: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the value is within its bounds."""
        above = self.floor is None or self.value >= self.floor
        return above and (self.ceiling is None or self.value <= self.ceiling)


@runtime_checkable
class Organism(Protocol):
    """A network whose truth is known by construction.

    Its `name` says nothing about the truth, nor does anything else that `subject` and the saved model show.
    """

    @property
    def name(self) -> str:
        """An opaque name, the same for the same kind, seed and knobs."""
        ...

    @property
    def card(self) -> Card:
        """The truth in words."""
        ...

    def truth(self) -> Truth:
        """The truth as something that can be run."""
        ...

    def subject(self) -> Subject:
        """The network, as any other is studied."""
        ...

    def sample(self, count: int, *, seed: int, fresh: bool = False) -> list[str]:
        """Texts of the kind that the organism is made for.

        The `fresh` ones are for grading: no text is both fresh and not, whatever the seeds.
        """
        ...

    def check(self, *, seed: int = 0, count: int = 1000) -> list[Measured]:
        """Measure, on `count` fresh inputs, whether the network does what the truth says."""
        ...

    def save(self, folder: Path) -> Saved:
        """Write network and truth below `folder`, apart from each other; the same organism writes the same bytes."""
        ...


class OrganismKind(Protocol):
    """A kind of organism: what an entry point of `autointerp.organisms` names."""

    @property
    def knobs(self) -> Mapping[str, Knob | None]:
        """What can be set besides the seed, with the values it has otherwise; None where the organism decides."""
        ...

    def names(self) -> tuple[str, ...]:
        """The organisms that there are."""
        ...

    def describe(self, name: str) -> str:
        """One line about an organism, for those who may know. Raises OrganismError for an unknown name."""
        ...

    def make(self, name: str, *, seed: int, **knobs: Knob) -> Organism:
        """Make one. Raises OrganismError for an unknown name or a knob that cannot be what it is set to."""
        ...
