"""The rule scientist of circuits: no language model; a library of known mechanisms, and of programs for known tasks."""

from __future__ import annotations

from autointerp.agents.circuits._protocol import CircuitView, Component, ProgramProposal, RoleProposal
from autointerp.circuits import HEAD_ROLES, NAME_MOVER, NEGATIVE_MOVER, PROGRAMS
from autointerp.records import CausalProgram, MappedVariable

#: Patterns of attention that are proposed for a head at a time.
_PATTERNS = 2
#: A head that sends this share of its attention to the answer may be a mover.
_READS = 0.2


class RuleCircuitScientist:
    """Proposes the known roles that fit best what a component does on the prompts of the task, whichever is right.

    On the task's own prompts several roles often say the same: which of them it is, experiments on others have to tell.
    """

    name = "rules"

    async def propose(self, view: CircuitView) -> list[RoleProposal]:
        """As the protocol says."""
        return [role for component in view.components for role in _roles(component, tried=set())]

    async def revise(self, view: CircuitView) -> list[RoleProposal]:
        """As the protocol says: the next in the list."""
        found = []
        for component in view.components:
            if component.name in view.open:
                tried = {h.role for h in view.hypotheses if h.components == (component.name,)}
                found += _roles(component, tried=tried)
        return found

    async def explain(self, view: CircuitView) -> list[ProgramProposal]:
        """As the protocol says: the program of the library for this kind of task, where there is one."""
        model = PROGRAMS.get(view.task)
        if model is None:
            return []
        variables = tuple(MappedVariable(name=v.name, components=(), last=v.last) for v in model.variables)
        names = ", ".join(v.name for v in variables)
        return [
            ProgramProposal(
                causal=CausalProgram(source=model.source, variables=variables),
                says=f"the circuit computes {names}, as the program of the library for {view.task} does",
                because="the kind of task is known",
            )
        ]


def _roles(component: Component, *, tried: set[str]) -> list[RoleProposal]:
    if not component.has_pattern:
        return [
            _proposal(component, role, "what is without attention is one of these") for role in _left(component, tried)
        ]
    movers = (NAME_MOVER, NEGATIVE_MOVER)
    patterns = [role for role in HEAD_ROLES if role not in (*movers, *tried)]
    patterns.sort(key=lambda role: -component.attention[role])
    chosen = patterns[:_PATTERNS]
    if component.attention[NAME_MOVER] >= _READS:
        # What raises the answer does so when it is there, and the metric falls when it is patched.
        mover = NAME_MOVER if component.effect < 0 else NEGATIVE_MOVER
        chosen += [] if mover in tried else [mover]
    return [
        _proposal(component, role, f"{component.attention[role]:.0%} of its attention on the task's prompts goes there")
        for role in chosen
    ]


def _left(component: Component, tried: set[str]) -> list[str]:
    return [role for role in component.roles if role not in tried]


def _proposal(component: Component, role: str, because: str) -> RoleProposal:
    confidence = min(0.9, max(0.1, component.attention.get(role, 0.5)))
    return RoleProposal(component=component.name, role=role, confidence=confidence, because=because)
