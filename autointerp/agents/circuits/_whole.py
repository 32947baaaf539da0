"""What is said of several components at once: which of them are one, and which program they compute together."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from autointerp.agents._notebook import now
from autointerp.agents.circuits._case import CircuitCase
from autointerp.agents.circuits._design import FITS, Planned
from autointerp.agents.circuits._protocol import NONE_OF_THESE, ProgramProposal
from autointerp.agents.circuits._standings import CircuitBook
from autointerp.agents.circuits._steps import CircuitSteps
from autointerp.circuits import PROGRAMS, CausalModel, Unit, Variable, fitted_to_units
from autointerp.errors import ProgramError
from autointerp.records import (
    CausalProgram,
    CircuitHypothesis,
    CircuitTest,
    Claim,
    ComponentGroup,
    MappedVariable,
    Purpose,
)

#: Programs that are fitted and tried, the first ones.
_PROGRAMS = 3
#: A program has to answer this share of the prompts that are seen as the task wants, before it is fitted to anything.
_ANSWERS = 0.5


async def merge(steps: CircuitSteps) -> None:
    """Ask of all components of one role whether they are one: a hypothesis, its null, and their swap silhouette."""
    book = steps.book
    claimed = defaultdict[tuple[str, str], list[str]](list)
    for name, hypothesis in book.survived.items():
        claimed[steps.instruments.source(name).kind, hypothesis.role].append(name)
    planned = []
    for number, ((_, role), names) in enumerate(claimed.items(), start=1):
        if len(names) > 1:
            own, null = _group(f"g{number}", role, names)
            for hypothesis in (own, null):
                steps.case.notebook.put("hypothesis", hypothesis.id, hypothesis)
            question = f"Does it do less to exchange {', '.join(names)} with each other than with others?"
            planned.append(
                Planned(
                    CircuitTest.SWAP,
                    Purpose.REFUTE,
                    tuple(names),
                    own.id,
                    question,
                    {own.id: 0.0},
                    {null.id: 0.0},
                )
            )
    await asyncio.to_thread(steps.make, planned, steps.case.rounds)


def groups_of(book: CircuitBook) -> tuple[ComponentGroup, ...]:
    """The groups whose silhouettes were measured."""
    kept = {h.id for h in book.ledger.survived()}
    outcomes = {o.experiment: o for o in book.ledger.outcomes if not o.failed}
    found = []
    for experiment in book.ledger.experiments:
        if experiment.test is not CircuitTest.SWAP or experiment.id not in outcomes:
            continue
        hypothesis = next(h for h in book.ledger.hypotheses if h.id == experiment.target)
        mean, *each = outcomes[experiment.id].values
        found.append(
            ComponentGroup(
                role=hypothesis.role,
                components=experiment.components,
                silhouettes=tuple(each),
                silhouette=mean,
                merged=hypothesis.id in kept,
            )
        )
    return tuple(found)


def units_of(book: CircuitBook) -> list[tuple[str, Unit]]:
    """What a program may map its variables to, by role: groups that were merged, and the other components with a role.

    Of a merged group those are one whose own silhouette is positive.
    """
    found, left = list[tuple[str, Unit]](), dict(book.survived)
    for group in groups_of(book):
        together = tuple(n for n, s in zip(group.components, group.silhouettes, strict=True) if s > 0)
        if group.merged and len(together) > 1:
            found.append((group.role, together))
            for name in together:
                left.pop(name, None)
    return [*found, *((hypothesis.role, (name,)) for name, hypothesis in left.items())]


async def explain(steps: CircuitSteps) -> None:
    """Programs of the whole: their maps are fitted on the pairs that are seen, and tried on others."""
    case, book = steps.case, steps.book
    units = units_of(book)
    view = book.view(case, case.rounds, units)
    proposals = await steps.asked("explain", case.scientist.explain(view))
    if not proposals:
        known = ", ".join(PROGRAMS)
        reason = f"no program is proposed for {case.seen.name}: the library has those for {known}"
        case.notebook.remark("no program", reason)
        return
    case.tell("step", "fitting the causal model")
    await asyncio.to_thread(_try_programs, steps, proposals[:_PROGRAMS], units)


def _try_programs(steps: CircuitSteps, proposals: Sequence[ProgramProposal], units: Sequence[tuple[str, Unit]]) -> None:
    case, entered = steps.case, list[CircuitHypothesis]()
    for number, proposal in enumerate(proposals, start=1):
        case.meter.check()
        try:
            causal = _mapped(steps, proposal, units)
        except ProgramError as error:
            case.notebook.remark(f"program {number}", f"left out, the program fails ({error}): {proposal.says}")
            continue
        entered.append(
            _whole(f"p{number}", Claim.PROGRAM, "program", proposal.says, causal, proposal.confidence, proposal.because)
        )
    if not entered:
        return
    says = "no such program agrees with the network on other pairs"
    null = _whole("p.none", Claim.NULL, NONE_OF_THESE, says, None, 0.2, "what any program has to beat")
    for hypothesis in (*entered, null):
        case.notebook.put("hypothesis", hypothesis.id, hypothesis)
        case.tell("hypothesis", f"{hypothesis.id} {hypothesis.says}")
    planned = [
        Planned(
            CircuitTest.INTERCHANGE,
            Purpose.REFUTE,
            h.components,
            h.id,
            "Do program and network answer alike when a variable is exchanged, on pairs that the map was not fitted on?",
            {h.id: FITS},
            {null.id: FITS},
        )
        for h in entered
    ]
    steps.make(planned, case.rounds)


def _mapped(steps: CircuitSteps, proposal: ProgramProposal, units: Sequence[tuple[str, Unit]]) -> CausalProgram:
    """The program with its map fitted: to components with a role first, and to others where these do not do."""
    case = steps.case
    variables = tuple(Variable(v.name, (), v.last) for v in proposal.causal.variables)
    model = CausalModel(proposal.causal.source, variables)
    if (share := _answered(case, model)) < _ANSWERS:
        raise ProgramError(f"it answers {share:.0%} of the prompts as the task wants")
    by_variable: Mapping[str, Sequence[Unit]] = {
        v.name: [unit for role, unit in units if role in (proposal.roles.get(v.name) or (role,))] for v in variables
    }
    known = {name for _, unit in units for name in unit}
    # The first MLP only repeats the embedding, which is the prompt itself.
    others = [c.name for c in case.components if c.name not in known and c.name != "m0"]
    fit = fitted_to_units(case.parts, model, case.seen, by_variable, others)
    return CausalProgram(
        source=fit.source,
        variables=tuple(MappedVariable(name=v.name, components=v.components, last=v.last) for v in fit.variables),
    )


def _answered(case: CircuitCase, model: CausalModel) -> float:
    """The share of the prompts that are seen, clean and corrupted, to which the program gives a right answer."""
    strings, answer = case.parts.subject.strings, list(model.functions())[-1]
    both = [one for pair in case.seen.pairs for one in (pair, pair.swapped())]
    values = model.run([[strings[i] for i in pair.clean[1:]] for pair in both])
    return sum(v[answer] in {strings[i] for i in p.right} for v, p in zip(values, both, strict=True)) / len(both)


def _group(id_: str, role: str, names: Sequence[str]) -> tuple[CircuitHypothesis, CircuitHypothesis]:
    says = f"these components with the role {role} are one and the same: exchanging them does less than exchanging with others"
    common: dict[str, Any] = {"at": now(), "round": 0, "components": tuple(names)}
    own = CircuitHypothesis(id=id_, claim=Claim.GROUP, role=role, says=says, confidence=0.5, **common)
    null = CircuitHypothesis(
        id=f"n.{id_}",
        claim=Claim.NULL,
        role=NONE_OF_THESE,
        says="they share a role and are not one: exchanging them does as much as exchanging with others",
        confidence=0.5,
        **common,
    )
    return own, null


def _whole(
    id_: str, claim: Claim, role: str, says: str, causal: CausalProgram | None, confidence: float, because: str
) -> CircuitHypothesis:
    components = () if causal is None else tuple(dict.fromkeys(c for v in causal.variables for c in v.components))
    return CircuitHypothesis(
        id=id_,
        at=now(),
        round=0,
        claim=claim,
        components=components,
        role=role,
        says=says,
        causal=causal,
        confidence=confidence,
        because=because,
    )
