"""The explanation of a circuit: a scientist investigates it, and what it hands in is graded on pairs that it never saw."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from autointerp.agents import Limits, Listener, Meter, Notebook
from autointerp.agents.circuits import (
    CircuitCase,
    CircuitReport,
    CircuitScientist,
    LLMCircuitScientist,
    RuleCircuitScientist,
    investigate_circuit,
)
from autointerp.circuits import (
    HEAD_ROLES,
    CausalModel,
    Circuit,
    Parts,
    Variable,
    copying_scores,
    fitted,
    iia,
    node_patching,
    untrained_twin,
)
from autointerp.records import (
    CausalProgram,
    CircuitConclusion,
    CircuitHypothesis,
    CircuitLedger,
    CircuitOutcome,
    CircuitTest,
    CircuitVerdict,
    Claim,
    ComponentFinding,
    ComponentGroup,
    ComponentRole,
    Ruling,
    Score,
    ScoreResult,
    Spent,
    Unscored,
)
from autointerp.study._progress import Progress

if TYPE_CHECKING:
    from autointerp.llm import LLMs
    from autointerp.study._circuit import CircuitQuestion, Inputs

#: Components of the twin that are tried for each variable: its map is fitted with as much freedom as the subject's at least.
_CANDIDATES = 10
#: From this share of the components' effects on a circuit without a program counts as partly explained.
_MOST = 0.5


@dataclass(frozen=True, slots=True)
class Explained:
    """What the explanation adds to a record."""

    roles: tuple[ComponentRole, ...]
    findings: tuple[ComponentFinding, ...]
    groups: tuple[ComponentGroup, ...]
    causal: CausalProgram | None
    grade: ScoreResult
    conclusion: CircuitConclusion
    ledger: CircuitLedger


def explain_circuit(
    parts: Parts,
    given: Inputs,
    effects: Mapping[str, float],
    question: CircuitQuestion,
    *,
    llms: LLMs | None,
    limits: Limits,
    tell: Listener,
    progress: Progress,
) -> Explained:
    """Have the circuit investigated and the program that is handed in graded. `effects` are those of its components."""
    scientist: CircuitScientist = RuleCircuitScientist() if llms is None else LLMCircuitScientist(llms["scientist"])

    def heard(kind: str, text: str) -> None:
        if kind == "step":
            progress(text, None, None)
        tell(kind, text)

    notebook = Notebook()
    try:
        case = CircuitCase(
            parts=parts,
            twin=Parts(untrained_twin(parts.subject, seed=question.seed)),
            asks=given.asks,
            seen=given.found_on,
            trials=given.trials,
            effects={name: effect for name, effect in effects.items() if name != "input"},
            scientist=scientist,
            notebook=notebook,
            meter=Meter(notebook, limits),
            rounds=question.rounds,
            seed=question.seed,
            tell=heard,
        )
        report = asyncio.run(_investigated(case, llms))
    finally:
        notebook.close()
    progress("grading the causal model", None, None)
    grade = _grade(case, given, report)
    return Explained(
        roles=_roles(case, report),
        findings=report.findings,
        groups=report.groups,
        causal=report.causal,
        grade=grade,
        conclusion=concluded(report, grade),
        ledger=report.ledger,
    )


def concluded(report: CircuitReport, grade: ScoreResult) -> CircuitConclusion:
    """Whether the circuit is explained. That needs components with a role, and a program that stood and stands.

    The program has to have survived the attempt to refute it, and the interval of its IIA on held-out pairs to lie above one
    half, which a map to nothing gets, above the untrained twin and above random components.
    """
    whole = sum(abs(one.effect) for one in report.findings)
    share = sum(abs(one.effect) for one in report.findings if one.role is not None) / whole if whole else 0.0
    roles = f"{sum(one.role is not None for one in report.findings)} of {len(report.findings)} components have a role"
    roles += f", with {share:.0%} of their effects"
    if not isinstance(grade, Score):
        verdict = CircuitVerdict.PARTLY if share >= _MOST else CircuitVerdict.INSUFFICIENT_EVIDENCE
        return CircuitConclusion(verdict=verdict, because=f"{roles}; no program: {grade.reason}", coverage=share)
    floor = max(0.5, *grade.control.values())
    graded = f"IIA {grade.value:.2f} from {grade.ci[0]:.2f}, and {floor:.2f} is the best of the controls"
    stands = report.survived and grade.ci[0] > floor
    if not report.survived:
        graded += "; the program did not survive the attempt to refute it"
    some = any(one.role is not None for one in report.findings)
    verdict = (
        CircuitVerdict.EXPLAINED
        if stands and share >= _MOST
        else CircuitVerdict.PARTLY
        if stands or some
        else CircuitVerdict.UNEXPLAINED
    )
    return CircuitConclusion(verdict=verdict, because=f"{roles}; {graded}", coverage=share)


def _grade(case: CircuitCase, given: Inputs, report: CircuitReport) -> ScoreResult:
    """IIA on held-out pairs, beside that of the untrained twin with a map of its own."""
    if report.causal is None:
        remarks = [remark.text for remark in report.ledger.remarks if "program" in remark.text]
        return Unscored(name="IIA", reason=remarks[-1] if remarks else report.because)
    own = _model(report.causal, empty=False)
    twin, effects = case.twin, node_patching(case.twin, given.found_on).mean(0).tolist()
    nodes = [n for n in Circuit.whole(twin.graph).nodes() if twin.graph.sources[n].name not in ("input", "m0")]
    best = [twin.graph.sources[n].name for n in sorted(nodes, key=lambda n: -abs(effects[n]))[:_CANDIDATES]]
    its = fitted(twin, _model(report.causal, empty=True), given.found_on, {v.name: best for v in own.variables})
    return iia(case.parts, own, given.held_out, controls={"untrained twin": (twin, its)}, seed=case.seed)


def _model(causal: CausalProgram, *, empty: bool) -> CausalModel:
    variables = tuple(Variable(v.name, () if empty else v.components, v.last) for v in causal.variables)
    return CausalModel(causal.source, variables)


def _roles(case: CircuitCase, report: CircuitReport) -> tuple[ComponentRole, ...]:
    """The heads whose signature showed a kind, and what replacing did; of several kinds the one found, or that shows most."""
    found, ledger = dict[str, ComponentRole](), report.ledger
    chosen = {finding.component: finding.role for finding in report.findings}
    survived = {h.id for h in ledger.survived()}
    heads = [c.name for c in case.components if c.has_pattern]
    copying = copying_scores(case.parts, heads, seed=case.seed) if heads else {}
    for hypothesis in ledger.hypotheses:
        if hypothesis.claim is not Claim.ROLE or hypothesis.role not in HEAD_ROLES:
            continue
        signature = _outcome(ledger, hypothesis, CircuitTest.SIGNATURE)
        replaced = _outcome(ledger, hypothesis, CircuitTest.REPLACEMENT)
        if signature is None or (hypothesis.id not in survived and not _shown(ledger, hypothesis)):
            continue
        (name,) = hypothesis.components
        held = None if replaced is None or replaced.failed else replaced.values[0]
        role = ComponentRole(
            component=name,
            mechanism=hypothesis.role,
            signature=signature.values[0],
            usual=signature.controls.get("mean of the other heads", 0.0),
            held=held,
            effect=case.effects[name],
            copying=copying[name],
            stands=True if hypothesis.id in survived else None if held is None else False,
        )
        other = found.get(name)
        ranks = [(one.mechanism == chosen[name], one.signature) for one in (role, other) if one is not None]
        if other is None or ranks[0] > ranks[1]:
            found[name] = role
    return tuple(found.values())


def _outcome(ledger: CircuitLedger, hypothesis: CircuitHypothesis, test: CircuitTest) -> CircuitOutcome | None:
    asked = {e.id for e in ledger.experiments if e.target == hypothesis.id and e.test is test}
    return next((o for o in ledger.outcomes if o.experiment in asked), None)


def _shown(ledger: CircuitLedger, hypothesis: CircuitHypothesis) -> bool:
    asked = {e.id for e in ledger.experiments if e.target == hypothesis.id and e.test is CircuitTest.SIGNATURE}
    return any(
        j.hypothesis == hypothesis.id and j.experiment in asked and j.ruling is Ruling.SUPPORTS
        for j in ledger.judgements
    )


async def _investigated(case: CircuitCase, llms: LLMs | None) -> CircuitReport:
    """The report, its ledger with what was used; the language model's connections belong to this loop and end with it."""
    if llms is None:
        report = await investigate_circuit(case)
        return replace(report, ledger=report.ledger.model_copy(update={"spent": _spent(case)}))
    async with llms:
        report = await investigate_circuit(case)
        paid, lost = llms.ledger.spent(), llms.ledger.lost()
        spent = _spent(case).model_copy(
            update={"dollars": paid.dollars, "tokens": paid.tokens, "lost_tokens": lost.tokens}
        )
        templates = tuple(name for name, _ in llms.ledger.templates())
        return replace(report, ledger=report.ledger.model_copy(update={"spent": spent, "templates": templates}))


def _spent(case: CircuitCase) -> Spent:
    return case.notebook.spent().model_copy(update={"seconds": case.meter.seconds})
