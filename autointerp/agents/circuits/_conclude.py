"""From the notebook of a circuit to what is handed in."""

from __future__ import annotations

from autointerp.agents._notebook import now
from autointerp.agents.circuits._case import CircuitCase
from autointerp.agents.circuits._protocol import CircuitReport
from autointerp.agents.circuits._standings import CircuitBook, ledger_of
from autointerp.agents.circuits._whole import groups_of
from autointerp.records import (
    CircuitHypothesis,
    Claim,
    ComponentFinding,
    Conclusion,
)


def conclude(case: CircuitCase, because: str) -> CircuitReport:
    """The roles that survived, the groups, and the best program, one that survived where there is one."""
    book = CircuitBook.of(case)
    program = _program(book)
    handed_in = None if program is None else program.id
    case.notebook.put("conclusion", "1", Conclusion(at=now(), hypothesis=handed_in, because=because))
    ledger = ledger_of(case.notebook, case.scientist.name, case.limits.text)
    return CircuitReport(
        findings=_findings(case, book),
        groups=groups_of(book),
        causal=None if program is None else program.causal,
        survived=program is not None and program in ledger.survived(),
        ledger=ledger,
        because=because,
    )


def _program(book: CircuitBook) -> CircuitHypothesis | None:
    programs = [h for h in book.ledger.hypotheses if h.claim is Claim.PROGRAM]
    survived = [h for h in book.ledger.survived() if h.claim is Claim.PROGRAM]
    return max(survived or programs, key=book.margin, default=None)


def _findings(case: CircuitCase, book: CircuitBook) -> tuple[ComponentFinding, ...]:
    """One for each component, the largest effects first."""
    looked_at = {component.name for component in case.components}
    found = []
    for name in sorted(case.effects, key=lambda name: -abs(case.effects[name])):
        own = book.survived.get(name)
        if own is not None:
            because = _evidence(book, own)
        elif name not in looked_at:
            because = "not investigated: its effect is among the smallest"
        else:
            because = _failure(book, name)
        found.append(
            ComponentFinding(
                component=name,
                effect=case.effects[name],
                role=None if own is None else own.role,
                hypothesis=None if own is None else own.id,
                because=because,
            )
        )
    return tuple(found)


def _evidence(book: CircuitBook, own: CircuitHypothesis) -> str:
    """What was measured when the role was to be refuted, and whether another role survived too."""
    asked = {e.id for e in book.ledger.experiments if e.target == own.id}
    said = [o.sentence for o in book.ledger.outcomes if o.experiment in asked and not o.failed]
    also = [
        h.role for h in book.ledger.survived() if h.components == own.components and h.claim is Claim.ROLE and h != own
    ]
    return "; ".join(said) + (f"; {', '.join(also)} survived too" if also else "")


def _failure(book: CircuitBook, component: str) -> str:
    """What became of the roles that were proposed for it."""
    roles = [h for h in book.about(component) if h.claim is Claim.ROLE]
    if not roles:
        return "no role was proposed"
    failed = {o.experiment: o.failed for o in book.ledger.outcomes if o.failed}
    said = []
    for own in roles:
        refutation = book.refuted.get(own.id)
        if refutation is not None:
            said.append(f"{own.role} refuted by {refutation.experiment} ({refutation.sentence})")
            continue
        stuck = [failed[e.id] for e in book.ledger.experiments if e.target == own.id and e.id in failed]
        short = [j.sentence for j in book.ledger.judgements if j.hypothesis == own.id and j.ruling.value == "undecided"]
        why = stuck[0] if stuck else f"short of what was predicted ({short[-1]})" if short else "not tested"
        said.append(f"{own.role} not borne out: {why}")
    return "; ".join(said)
