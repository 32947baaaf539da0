"""The investigation of a circuit whose parts are known by construction: one head that attends to the token before."""

from __future__ import annotations

import asyncio

import pytest

from autointerp.agents.circuits import (
    NONE_OF_THESE,
    CircuitCase,
    CircuitReport,
    CircuitView,
    LLMCircuitScientist,
    ProgramProposal,
    RoleProposal,
    RuleCircuitScientist,
    investigate_circuit,
)
from autointerp.circuits import Task
from autointerp.eval.organisms import CircuitOrganism
from autointerp.llm import Budget
from autointerp.records import (
    CausalProgram,
    CircuitHypothesis,
    CircuitTest,
    Claim,
    MappedVariable,
    Purpose,
    Ruling,
)
from autointerp.testing import ScriptedLLM
from tests.agents.circuits.brain import scripted
from tests.agents.circuits.known import PREVIOUS, case_of, previous_organism, previous_task

HEAD, MLP = "a0.h0", "m0"


class Knowing(RuleCircuitScientist):
    """The rule scientist, which happens to have a program for this task."""

    source = PREVIOUS

    async def explain(self, view: CircuitView) -> list[ProgramProposal]:
        causal = CausalProgram(source=self.source, variables=(MappedVariable(name="before", components=(), last=True),))
        return [ProgramProposal(causal=causal, says="it repeats the token before")]


class Mistaken(Knowing):
    """Believes in roles and a program that are wrong, and gives up when they are refuted."""

    source = PREVIOUS.replace("tokens[-2]", "tokens[0]")

    async def propose(self, view: CircuitView) -> list[RoleProposal]:
        return [RoleProposal(HEAD, "duplicate token"), RoleProposal(HEAD, "positional offset 2")]

    async def revise(self, view: CircuitView) -> list[RoleProposal]:
        return []


@pytest.fixture(scope="module")
def organism() -> CircuitOrganism:
    return previous_organism()


@pytest.fixture(scope="module")
def task(organism: CircuitOrganism) -> Task:
    return previous_task(organism)


@pytest.fixture(scope="module")
def report(organism: CircuitOrganism, task: Task) -> CircuitReport:
    return run(case_of(organism, task, scientist=Knowing()))


@pytest.fixture(scope="module")
def asked(organism: CircuitOrganism, task: Task) -> tuple[CircuitReport, ScriptedLLM]:
    llm = ScriptedLLM(scripted)
    return run(case_of(organism, task, scientist=LLMCircuitScientist(llm))), llm


def run(case: CircuitCase) -> CircuitReport:
    return asyncio.run(investigate_circuit(case))


def roles_of(report: CircuitReport) -> dict[str, str | None]:
    return {finding.component: finding.role for finding in report.findings}


def named(report: CircuitReport, component: str, role: str) -> CircuitHypothesis:
    return next(h for h in report.ledger.hypotheses if h.components == (component,) and h.role == role)


def test_the_true_role_survives_and_the_false_ones_are_refuted(report: CircuitReport) -> None:
    assert roles_of(report) == {HEAD: "previous token", MLP: None}
    refuted = report.ledger.refuted()
    tried = [h for h in report.ledger.hypotheses if h.components == (HEAD,) and h.claim is Claim.ROLE]
    assert len(tried) >= 2
    assert {h.role for h in tried if h.id not in refuted} == {"previous token"}
    assert named(report, HEAD, NONE_OF_THESE).id in refuted
    assert named(report, MLP, NONE_OF_THESE).id not in refuted


def test_a_component_that_does_nothing_is_unexplained(report: CircuitReport) -> None:
    """The MLP is there, and patching it changes nothing on any pair."""
    finding = next(f for f in report.findings if f.component == MLP)
    assert finding.effect == 0
    assert finding.hypothesis is None
    assert "refuted by" in finding.because


def test_predictions_are_older_than_outcomes_and_all_are_judged(report: CircuitReport) -> None:
    ledger = report.ledger
    measured = {o.experiment: o.at for o in ledger.outcomes}
    assert {e.id for e in ledger.experiments} == set(measured) == {p.experiment for p in ledger.predictions}
    assert all(p.at < measured[p.experiment] for p in ledger.predictions)
    failed = {o.experiment for o in ledger.outcomes if o.failed}
    assert {(j.experiment, j.hypothesis) for j in ledger.judgements} == {
        (p.experiment, p.hypothesis) for p in ledger.predictions if p.experiment not in failed
    }
    assert {p.hypothesis for p in ledger.predictions} <= {h.id for h in ledger.hypotheses}


def test_what_survived_was_to_be_refuted_and_has_controls(report: CircuitReport) -> None:
    own = named(report, HEAD, "previous token")
    (attempt,) = [e for e in report.ledger.experiments if e.target == own.id and e.purpose is Purpose.REFUTE]
    assert attempt.test is CircuitTest.REPLACEMENT
    outcome = next(o for o in report.ledger.outcomes if o.experiment == attempt.id)
    assert outcome.values[0] == pytest.approx(1, abs=1e-3)
    assert outcome.controls["as sharp, one token beside"] < 0.5
    signature = next(e for e in report.ledger.experiments if e.target == own.id and e.test is CircuitTest.SIGNATURE)
    shown = next(o for o in report.ledger.outcomes if o.experiment == signature.id)
    assert shown.values[0] > 0.99
    assert shown.controls["untrained twin"] < 0.5


def test_the_program_is_mapped_to_what_is_explained_and_tried_on_other_pairs(report: CircuitReport) -> None:
    assert report.survived
    assert report.causal is not None
    assert [v.components for v in report.causal.variables] == [(HEAD,)]
    (tried,) = [e for e in report.ledger.experiments if e.test is CircuitTest.INTERCHANGE]
    outcome = next(o for o in report.ledger.outcomes if o.experiment == tried.id)
    assert outcome.values[0] == 1
    assert report.ledger.conclusion is not None
    assert report.ledger.conclusion.hypothesis == tried.target


def test_wrong_beliefs_are_refuted_and_nothing_is_said_to_be_explained(organism: CircuitOrganism, task: Task) -> None:
    report = run(case_of(organism, task, scientist=Mistaken()))
    assert roles_of(report) == {HEAD: None, MLP: None}
    assert not report.survived
    assert "no other is left" in report.because
    refuted = report.ledger.refuted()
    assert all(h.id in refuted for h in report.ledger.hypotheses if h.claim is Claim.ROLE)
    assert report.causal is None
    assert any("it answers " in remark.text for remark in report.ledger.remarks)


@pytest.mark.parametrize("budget", ["0calls", "3calls", "5passes", "0.0001s"])
def test_where_the_budget_ends_what_there_is_is_handed_in(organism: CircuitOrganism, task: Task, budget: str) -> None:
    report = run(case_of(organism, task, scientist=Knowing(), budget=budget))
    assert "limit of" in report.because
    assert roles_of(report).keys() == {HEAD, MLP}
    assert not report.survived
    assert report.ledger.limits == budget
    if budget == "3calls":
        assert report.ledger.spent.tool_calls == 3
        assert len(report.ledger.outcomes) == 3


def test_a_language_model_goes_the_whole_way(asked: tuple[CircuitReport, ScriptedLLM]) -> None:
    report, llm = asked
    assert roles_of(report) == {HEAD: "the one before", MLP: None}
    own = named(report, HEAD, "the one before")
    assert own.program is not None
    assert own.bets == {CircuitTest.SIGNATURE: 0.9}
    signature = next(p for p in report.ledger.predictions if p.hypothesis == own.id and p.at_least == 0.9)
    assert "above 0.90" in signature.sentence
    assert named(report, HEAD, "duplicate token").id in report.ledger.refuted()
    assert report.survived
    assert report.causal is not None
    assert report.causal.source == PREVIOUS
    templates = [request.template.split("@")[0] for request in llm.requests]
    assert templates == ["circuit_propose", "circuit_propose", "circuit_explain", "circuit_explain"]


def test_what_a_language_model_gets_wrong_it_is_told_or_it_is_left_out(
    asked: tuple[CircuitReport, ScriptedLLM],
) -> None:
    report, llm = asked
    told = [request.messages[-1].text for request in llm.requests if len(request.messages) > 2]
    assert "attended(tokens) gives 1 for token 0" in told[0]
    assert "is right" in told[1]
    remarks = [remark.text for remark in report.ledger.remarks]
    assert any("there is no such component" in text for text in remarks)
    assert any("no role of the library for it: there are token lookup, answer writer" in text for text in remarks)
    assert any("as the task wants): it repeats the first token" in text for text in remarks)
    assert [h.says for h in report.ledger.hypotheses if h.causal is not None] == ["it repeats the token before"]


def test_a_language_model_without_money_ends_with_what_there_is(organism: CircuitOrganism, task: Task) -> None:
    llm = ScriptedLLM(scripted, budget=Budget.parse("10tokens"))
    report = run(case_of(organism, task, scientist=LLMCircuitScientist(llm)))
    assert roles_of(report) == {HEAD: None, MLP: None}
    assert "limit" in report.because
    assert all(finding.because == "no role was proposed" for finding in report.findings)


def test_a_null_is_judged_the_other_way_round(report: CircuitReport) -> None:
    ledger = report.ledger
    by_key = {(j.experiment, j.hypothesis): j.ruling for j in ledger.judgements}
    opposite = {Ruling.SUPPORTS: Ruling.REFUTES, Ruling.REFUTES: Ruling.SUPPORTS, Ruling.UNDECIDED: Ruling.UNDECIDED}
    nulls = [p for p in ledger.predictions if p.at_most is not None and p.above_controls]
    assert nulls
    for null in nulls:
        target = next(e.target for e in ledger.experiments if e.id == null.experiment)
        assert by_key[null.experiment, null.hypothesis] == opposite[by_key[null.experiment, target]]
