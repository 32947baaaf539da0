"""A scientist of circuits that is a language model. Every question is made from the notebook anew."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel

from autointerp.agents._llm_scientist import ask
from autointerp.agents.circuits._custom import attended_places
from autointerp.agents.circuits._protocol import CircuitView, Component, Example, ProgramProposal, RoleProposal
from autointerp.agents.circuits._shapes import (
    ProgramShape,
    ProgramsShape,
    RoleShape,
    RolesShape,
    causal_of,
    programs_of,
    roles_of,
)
from autointerp.circuits import HEAD_ROLES, OTHER_ROLES, CausalModel, Variable
from autointerp.errors import ProgramError
from autointerp.llm import LLM, Request, assistant, user
from autointerp.sandbox import Sandbox

M = TypeVar("M", bound=BaseModel)

#: Roles of a component's attention that are shown, the largest shares first.
_SHARES = 4


class LLMCircuitScientist:
    """Asks a language model for roles, for other roles where these were refuted, and for programs of the whole."""

    name = "llm"

    def __init__(self, llm: LLM) -> None:
        self.llm = llm

    async def propose(self, view: CircuitView) -> list[RoleProposal]:
        """As the protocol says. Programs that do not run are given back once, with the error."""
        return await self._roles("circuit_propose", view, view.components)

    async def revise(self, view: CircuitView) -> list[RoleProposal]:
        """As the protocol says."""
        return await self._roles("circuit_revise", view, [c for c in view.components if c.name in view.open])

    async def explain(self, view: CircuitView) -> list[ProgramProposal]:
        """As the protocol says. Programs that fail, or answer otherwise than the task, are given back once."""

        def values(share: float) -> dict[str, Any]:
            return {
                **_task(view, share),
                "units": [f"{role}: {', '.join(names)}" for role, names in view.units],
                "unexplained": [c.name for c in view.components if c.name not in view.survived],
                "dialect": Sandbox.python,
            }

        def fault(shape: ProgramShape) -> str | None:
            return _wrong_program(shape, view.examples)

        answer, asked = await ask(self.llm, "circuit_explain", values, ProgramsShape)
        return programs_of((await self._mended(answer, answer.programs, asked, fault)).programs, view)

    async def _roles(self, template: str, view: CircuitView, components: Sequence[Component]) -> list[RoleProposal]:
        def values(share: float) -> dict[str, Any]:
            found = {
                **_task(view, share),
                "components": [_line(component) for component in components],
                "head_roles": dict(HEAD_ROLES),
                "other_roles": dict(OTHER_ROLES),
                "dialect": Sandbox.python,
            }
            return found | ({} if template == "circuit_propose" else _so_far(view))

        def fault(shape: RoleShape) -> str | None:
            return _wrong_pattern(shape, view.examples)

        answer, asked = await ask(self.llm, template, values, RolesShape)
        return roles_of((await self._mended(answer, answer.roles, asked, fault)).roles)

    async def _mended(
        self, answer: M, shapes: Sequence[Any], asked: Request[M], fault: Callable[[Any], str | None]
    ) -> M:
        found = [await asyncio.to_thread(fault, shape) for shape in shapes]
        wrong = [line for line in found if line is not None]
        if not wrong:
            return answer
        told = "\n".join(["These programs fail; give the whole answer again, with programs that work.", *wrong])
        reply = await self.llm.ask(asked.followed_by([assistant(answer.model_dump_json()), user(told)]))
        return answer if reply.value is None else reply.value


def _task(view: CircuitView, share: float) -> dict[str, Any]:
    count = max(2, round(len(view.examples) * share))
    return {"task": view.task, "asks": view.asks, "examples": [_example(one) for one in view.examples[:count]]}


def _example(one: Example) -> str:
    return f"{one.clean!r} wants {_any(one.right)}, {one.corrupted!r} wants {_any(one.wrong)}"


def _any(answers: Sequence[str]) -> str:
    return " or ".join(map(repr, answers))


def _line(component: Component) -> str:
    line = f"{component.name} ({component.kind}, layer {component.layer}): metric {component.effect:+.2f} when patched"
    shares = sorted(component.attention.items(), key=lambda item: -item[1])[:_SHARES]
    seen = ", ".join(f"{role} {value:.0%}" for role, value in shares if value >= 0.05)
    return f"{line}; of its attention on these prompts: {seen}" if seen else line


def _so_far(view: CircuitView) -> dict[str, Any]:
    names = {h.id: h for h in view.hypotheses}
    return {
        "standing": [f"{name}: {h.role}" for name, h in view.survived.items()],
        "refuted": [
            f"{', '.join(names[id_].components)} as {names[id_].role}: {judgement.sentence}"
            for id_, judgement in view.refuted.items()
            if id_ in names and names[id_].components and names[id_].components[0] in view.open
        ],
    }


def _wrong_pattern(shape: RoleShape, examples: Sequence[Example]) -> str | None:
    for proposal in roles_of([shape]):
        if proposal.program is not None:
            try:
                attended_places(proposal.program, [example.tokens for example in examples])
            except ProgramError as error:
                return f"- {shape.component} as {shape.role}: {error}"
    return None


def _wrong_program(shape: ProgramShape, examples: Sequence[Example]) -> str | None:
    """The error, or the first example that the program answers otherwise than the task wants."""
    causal = causal_of(shape)
    model = CausalModel(causal.source, tuple(Variable(v.name, (), v.last) for v in causal.variables))
    try:
        answer = list(model.functions())[-1]
        values: list[Mapping[str, Any]] = list(model.run([one.tokens for one in examples]))
    except ProgramError as error:
        return f"- {shape.says}: {error}"
    for one, found in zip(examples, values, strict=True):
        if found[answer] not in one.right:
            return f"- {shape.says}: it answers {found[answer]!r:.60} to {one.clean!r}, and {_any(one.right)} is right"
    return None
