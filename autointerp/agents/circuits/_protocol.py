"""What a scientist of circuits is given and what it hands in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from autointerp.circuits import HEAD_ROLES, OTHER_ROLES
from autointerp.records import (
    CausalProgram,
    CircuitHypothesis,
    CircuitLedger,
    CircuitTest,
    ComponentFinding,
    ComponentGroup,
    Judgement,
    Program,
)

#: The role of the null hypothesis, which every component has.
NONE_OF_THESE = "none of these"


@dataclass(frozen=True, slots=True)
class Component:
    """A component of the circuit as it is observed before anything is asked of it.

    Attributes
    ----------
    kind: head, mlp or attention (a layer whose heads cannot be told apart).
    effect: the change of the metric when it writes what it writes on the corrupted prompt, on the pairs at hand.
    attention: by role, the share of a head's attention that goes where the role says on the task's own prompts. Empty for
        what has no pattern that can be read.
    final: whether nothing but the logits reads it.
    """

    name: str
    kind: str
    layer: int
    effect: float
    attention: Mapping[str, float]
    final: bool

    @property
    def has_pattern(self) -> bool:
        """Whether it is a head whose attention can be read."""
        return bool(self.attention)

    @property
    def roles(self) -> Mapping[str, str]:
        """The roles of the library that it may have, with what each says; none for a head without a readable pattern."""
        if self.has_pattern:
            return HEAD_ROLES
        return {} if self.kind == "head" else OTHER_ROLES


@dataclass(frozen=True, slots=True)
class RoleProposal:
    """A role of one component, before it is entered in the notebook.

    Attributes
    ----------
    role: of the library, or a name of one's own with a `program`, which defines `attended(tokens)`: for every token the number
        of the earlier one that is attended to, or None.
    bets: more tests of the menu that it is ready to stand, or higher bars than the usual ones, by test.
    """

    component: str
    role: str
    says: str = ""
    program: Program | None = None
    bets: Mapping[CircuitTest, float] = field(default_factory=dict)
    confidence: float = 0.5
    because: str = ""


@dataclass(frozen=True, slots=True)
class ProgramProposal:
    """A program of what the circuit computes; `roles` says by variable which roles the components have that hold it.

    The components of the variables in `causal` are left empty: they are fitted. A variable without roles may be held by any.
    """

    causal: CausalProgram
    says: str
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    confidence: float = 0.5
    because: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """A pair of the task as text: what is answered after either prompt."""

    clean: str
    corrupted: str
    right: tuple[str, ...]
    wrong: tuple[str, ...]
    tokens: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CircuitView:
    """All that a scientist knows: the task, the components, and how the hypotheses about them stand.

    Attributes
    ----------
    open: components that have no role yet which is alive or survived.
    survived: the role of each component that has one, by its hypothesis.
    units: components that are taken together by a program, by role.
    """

    task: str
    asks: str
    examples: tuple[Example, ...]
    components: tuple[Component, ...]
    round: int
    hypotheses: tuple[CircuitHypothesis, ...]
    refuted: Mapping[str, Judgement]
    survived: Mapping[str, CircuitHypothesis]
    open: tuple[str, ...]
    units: tuple[tuple[str, tuple[str, ...]], ...] = ()
    seed: int = 0


@dataclass(frozen=True, slots=True)
class CircuitReport:
    """What an investigation hands in; `because` says how it ended."""

    findings: tuple[ComponentFinding, ...]
    groups: tuple[ComponentGroup, ...]
    causal: CausalProgram | None
    survived: bool
    ledger: CircuitLedger
    because: str


class CircuitScientist(Protocol):
    """Whoever proposes. What is measured, and what that says about a proposal, is the business of code."""

    name: str

    async def propose(self, view: CircuitView) -> list[RoleProposal]:
        """Two roles or more for each component; that it is none of these is entered by itself."""
        ...

    async def revise(self, view: CircuitView) -> list[RoleProposal]:
        """Other roles for components that are still open; none where nothing comes to mind."""
        ...

    async def explain(self, view: CircuitView) -> list[ProgramProposal]:
        """Programs of what the circuit computes, over variables that components with a role hold."""
        ...
