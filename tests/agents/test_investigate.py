"""The investigation on features whose truth is known."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from autointerp.agents._investigate import Investigate
from autointerp.agents._oneshot import OneShot
from autointerp.agents._protocol import Report
from autointerp.llm import Budget
from autointerp.programs import predict
from autointerp.records import HypothesisKind, Ledger, Purpose, Ruling, TextExperiment, Verdict
from autointerp.study import Laboratory
from autointerp.testing import ScriptedLLM
from tests.agents.brain import scripted
from tests.agents.cases import investigated, opened
from tests.scoring.known import DEAD, DOUBLE, RARE, SINGLE


@pytest.fixture(scope="module")
def ruled(known: Laboratory) -> Report:
    return investigated(known, DOUBLE)


@pytest.fixture(scope="module")
def asked(known: Laboratory) -> tuple[Report, ScriptedLLM]:
    llm = ScriptedLLM(scripted)
    return investigated(known, SINGLE, llm=llm), llm


def ledger_of(report: Report) -> Ledger:
    assert report.ledger is not None
    return report.ledger


@pytest.fixture(params=["rules", "llm"])
def ledger(request: pytest.FixtureRequest) -> Ledger:
    if request.param == "rules":
        return ledger_of(request.getfixturevalue("ruled"))
    return ledger_of(request.getfixturevalue("asked")[0])


def test_several_kinds_of_hypotheses_compete(ledger: Ledger) -> None:
    first = [h for h in ledger.hypotheses if h.round == 0]
    assert len(first) >= 3
    assert {h.kind for h in first} == set(HypothesisKind)
    assert len({h.program for h in first if h.program}) >= 2


def test_predictions_are_older_than_outcomes(ledger: Ledger) -> None:
    measured = {o.experiment: o.at for o in ledger.outcomes}
    assert ledger.predictions
    assert all(p.at < measured[p.experiment] for p in ledger.predictions if p.experiment in measured)


def test_every_experiment_was_predicted_measured_and_judged(ledger: Ledger) -> None:
    ids = {e.id for e in ledger.experiments}
    assert {p.experiment for p in ledger.predictions} == ids
    assert {o.experiment for o in ledger.outcomes} == ids
    failed = {o.experiment for o in ledger.outcomes if o.failed}
    assert {(j.experiment, j.hypothesis) for j in ledger.judgements} == {
        (p.experiment, p.hypothesis) for p in ledger.predictions if p.experiment not in failed
    }


def test_nothing_is_concluded_without_an_attempt_at_refutation(ledger: Ledger) -> None:
    assert ledger.conclusion is not None
    chosen = ledger.conclusion.hypothesis
    attempts = [e for e in ledger.experiments if e.purpose in (Purpose.REFUTE, Purpose.CRITIC) and e.target == chosen]
    assert attempts
    judged = [j for j in ledger.judgements if j.hypothesis == chosen and j.experiment in {e.id for e in attempts}]
    assert judged
    assert all(j.ruling is not Ruling.REFUTES for j in judged)


def test_what_experiments_measured_is_what_the_feature_does(known: Laboratory, ruled: Report) -> None:
    ledger = ledger_of(ruled)
    table = known.dictionary._values[:, DOUBLE].numpy()
    compared = 0
    outcomes = {o.experiment: o for o in ledger.outcomes}
    for experiment in ledger.experiments:
        if isinstance(experiment, TextExperiment):
            true = [table[p.token_ids[-1]] for p in experiment.probes]
            np.testing.assert_allclose(outcomes[experiment.id].values, true, atol=1e-5)
            compared += len(true)
    assert compared > 30


def test_verdicts_on_texts_can_be_computed_by_hand(known: Laboratory, ruled: Report) -> None:
    ledger = ledger_of(ruled)
    table = known.dictionary._values[:, DOUBLE].numpy()
    experiment = next(e for e in ledger.experiments if e.purpose is Purpose.REFUTE)
    assert isinstance(experiment, TextExperiment)
    prediction = next(
        p for p in ledger.predictions if (p.experiment, p.hypothesis) == (experiment.id, experiment.target)
    )
    judgement = next(j for j in ledger.judgements if (j.experiment, j.hypothesis) == (experiment.id, experiment.target))
    # The feature is 3 or 1.5 where it is active, so that any threshold between 0 and 1.5 gives the same.
    right = [
        (table[probe.token_ids[-1]] > 0.5) == (said == "fires")
        for probe, said in zip(experiment.probes, prediction.expects, strict=True)
        if said != "open"
    ]
    assert (judgement.right, judgement.said) == (sum(right), len(right))


def test_the_rule_scientist_finds_the_truth(known: Laboratory, ruled: Report) -> None:
    program = ruled.explanation.predictor
    assert program is not None
    assert ruled.explanation.verdict is Verdict.EXPLAINED
    view = known.index.test
    texts = [
        [known.subject.strings[i] for i in ids[1:n]] for ids, n in zip(view.tokens[:20], view.lengths[:20], strict=True)
    ]
    values = known.dictionary._values[:, DOUBLE].numpy()
    true = np.concatenate([values[ids[1:n]] for ids, n in zip(view.tokens[:20], view.lengths[:20], strict=True)])
    assert np.corrcoef(np.concatenate(predict(program, texts)), true)[0, 1] > 0.95


def test_the_language_model_finds_it_too(known: Laboratory, asked: tuple[Report, ScriptedLLM]) -> None:
    report, _ = asked
    token = known.subject.strings[int(known.dictionary._values[:, SINGLE].argmax())]
    assert report.explanation.predictor is not None
    assert repr(token) in report.explanation.predictor.source
    assert report.explanation.verdict is Verdict.EXPLAINED


def test_the_wrong_hypotheses_are_refuted(asked: tuple[Report, ScriptedLLM]) -> None:
    ledger = ledger_of(asked[0])
    refuted = {h.fires_on for h in ledger.hypotheses if h.id in ledger.refuted()}
    assert "on any word" in refuted


def test_the_critic_is_blind(asked: tuple[Report, ScriptedLLM]) -> None:
    critics = [r for r in asked[1].requests if "You are a critic" in r.messages[0].text]
    assert critics
    for request in critics:
        text = "".join(m.text for m in request.messages)
        assert len(request.messages) == 2
        assert "predicted:" not in text
        assert "came true" not in text
        assert not any(f"h{r}." in text for r in range(4))
        assert "=2»" not in text


def test_templates_are_named(asked: tuple[Report, ScriptedLLM]) -> None:
    names = {name.partition("@")[0] for name, _ in asked[1].desk.ledger.templates()}
    assert names == {"scientist_propose", "scientist_design", "scientist_refine", "critic_challenge"}


@pytest.mark.parametrize("feature", [DEAD, RARE])
def test_too_little_to_learn_from_costs_nothing(known: Laboratory, feature: int) -> None:
    llm = ScriptedLLM(scripted)
    report = investigated(known, feature, llm=llm)
    assert report.explanation.verdict is Verdict.INSUFFICIENT_EVIDENCE
    assert report.explanation.predictor is None
    assert llm.requests == []


@pytest.mark.parametrize(
    ("budget", "unit", "most"),
    [("9calls", "tool_calls", 9), ("8passes", "forward_passes", 8), ("4passes", "forward_passes", 4)],
)
def test_a_budget_holds_and_the_best_so_far_is_handed_in(known: Laboratory, budget: str, unit: str, most: int) -> None:
    with opened(known, SINGLE, budget=budget) as case:
        before = known.subject.usage.forward_passes
        report = asyncio.run(Investigate().run(case))
        used = known.subject.usage.forward_passes - before
        spent = getattr(case.notebook.spent(), unit)
    assert spent <= most
    if unit == "forward_passes":
        assert used <= most
    assert "would pass the limit" in ledger_of(report).conclusion.because  # type: ignore[union-attr]
    assert report.explanation.predictor is not None


@pytest.mark.parametrize("tokens", [6_000, 12_000, 16_000])
def test_a_budget_of_tokens_holds(known: Laboratory, tokens: int) -> None:
    llm = ScriptedLLM(scripted, budget=Budget(tokens=tokens))
    report = investigated(known, SINGLE, llm=llm)
    ledger = llm.desk.ledger
    assert ledger.spent().tokens + ledger.lost().tokens + ledger.reserved().tokens <= tokens
    assert "would pass the limit" in ledger_of(report).conclusion.because  # type: ignore[union-attr]


def test_time_that_is_up_ends_it(known: Laboratory) -> None:
    report = investigated(known, SINGLE, budget="0s")
    assert "seconds is reached" in ledger_of(report).conclusion.because  # type: ignore[union-attr]
    assert report.explanation.verdict is Verdict.INSUFFICIENT_EVIDENCE


def test_answers_that_are_none_end_it_with_what_there_is(known: Laboratory) -> None:
    llm = ScriptedLLM(lambda request: "I would rather not say.")
    report = investigated(known, SINGLE, llm=llm)
    assert report.explanation.verdict is Verdict.INSUFFICIENT_EVIDENCE
    assert "did not fit" in ledger_of(report).conclusion.because  # type: ignore[union-attr]


def test_oneshot_asks_once(known: Laboratory) -> None:
    llm = ScriptedLLM(scripted)
    with opened(known, SINGLE, llm=llm) as case:
        report = asyncio.run(OneShot().run(case))
    assert len(llm.requests) == 1
    assert report.explanation.verdict is Verdict.EXPLAINED
    assert report.explanation.confidence == 0.7
    assert report.explanation.predictor is not None


def test_a_finished_run_costs_nothing_when_run_again(known: Laboratory, tmp_path: Path) -> None:
    llm = ScriptedLLM(scripted, cache=tmp_path / "llm.sqlite", run="r")
    first = investigated(known, SINGLE, llm=llm, folder=tmp_path)
    before, asked = known.subject.usage.forward_passes, len(llm.requests)
    second = investigated(known, SINGLE, llm=llm, folder=tmp_path)
    assert second.explanation == first.explanation
    assert ledger_of(second).model_copy(update={"spent": ledger_of(first).spent}) == ledger_of(first)
    assert len(llm.requests) == asked
    assert known.subject.usage.forward_passes == before
