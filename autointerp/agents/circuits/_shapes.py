"""What a language model is asked for about a circuit, as types, and how that becomes proposals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from autointerp.agents._shapes import unfenced
from autointerp.agents.circuits._protocol import CircuitView, ProgramProposal, RoleProposal
from autointerp.records import CausalProgram, CircuitTest, MappedVariable, Program

#: A role of one's own has this for its name where the model gives none.
_OWN = "its own pattern"


class BetShape(BaseModel):
    """A test of the menu that the hypothesis stands, with the least value that it bets on."""

    test: Literal["signature", "copying", "ablation", "replacement", "direct"]
    at_least: Annotated[float, Field(ge=0)]


class RoleShape(BaseModel):
    """A hypothesis: what one component does."""

    component: str
    role: Annotated[str, Field(description="a role of the list, or a short name of your own with a program")]
    says: Annotated[str, Field(description="one sentence: what it does")]
    program: Annotated[str, Field(description="Python that defines attended(tokens); empty for a role of the list")]
    bets: list[BetShape]
    confidence: Annotated[float, Field(ge=0, le=1, description="probability that this is its role")]
    because: Annotated[str, Field(description="the observation that speaks for it")]


class RolesShape(BaseModel):
    """Competing hypotheses about components."""

    roles: list[RoleShape]


class VariableShape(BaseModel):
    """A variable of a program that components hold."""

    name: Annotated[str, Field(description="the name of its function")]
    last: Annotated[bool, Field(description="whether it is held at the last token alone")]
    roles: Annotated[list[str], Field(description="roles of the components that may hold it; empty for any")]


class ProgramShape(BaseModel):
    """A hypothesis: what the circuit computes."""

    source: Annotated[str, Field(description="Python: one function for each variable, the answer last")]
    variables: Annotated[list[VariableShape], Field(description="the variables that components hold; not the answer")]
    says: Annotated[str, Field(description="one sentence: what it computes")]
    confidence: Annotated[float, Field(ge=0, le=1)]
    because: str


class ProgramsShape(BaseModel):
    """Competing programs."""

    programs: list[ProgramShape]


def roles_of(shapes: Sequence[RoleShape]) -> list[RoleProposal]:
    """Proposals; what is wrong with one is found out when it is entered."""
    return [
        RoleProposal(
            component=shape.component.strip(),
            role=shape.role.strip() or _OWN,
            says=shape.says.strip(),
            program=Program(source=unfenced(shape.program)) if shape.program.strip() else None,
            bets={CircuitTest(bet.test): bet.at_least for bet in shape.bets},
            confidence=shape.confidence,
            because=shape.because.strip(),
        )
        for shape in shapes
    ]


def causal_of(shape: ProgramShape) -> CausalProgram:
    """The program, its variables mapped to nothing yet."""
    variables = tuple(MappedVariable(name=v.name, components=(), last=v.last) for v in shape.variables)
    return CausalProgram(source=unfenced(shape.source), variables=variables)


def programs_of(shapes: Sequence[ProgramShape], view: CircuitView) -> list[ProgramProposal]:
    """Proposals; a variable that names roles which no component has may be held by any."""
    known = {role for role, _ in view.units}
    found = []
    for shape in shapes:
        roles = {v.name: tuple(r for r in v.roles if r in known) for v in shape.variables}
        found.append(
            ProgramProposal(
                causal=causal_of(shape),
                says=shape.says.strip() or "not said",
                roles={name: own for name, own in roles.items() if own},
                confidence=shape.confidence,
                because=shape.because.strip(),
            )
        )
    return found
