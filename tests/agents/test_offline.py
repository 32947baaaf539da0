"""The rule scientist on features whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from autointerp.agents import Report, RuleScientist
from autointerp.programs import Predictor, predict
from autointerp.records import Intervention, Program, Score, Verdict
from autointerp.study import Laboratory, explain, grade_report
from autointerp.tools import Workbench
from tests.scoring.known import DEAD, DOUBLE, RARE, SINGLE


@dataclass(frozen=True)
class Case:
    bench: Workbench
    report: Report


def worked(laboratory: Laboratory, feature: int) -> Case:
    with Predictor() as predictor:
        return Case(*explain(laboratory, laboratory.feature(feature), RuleScientist(), predictor))


@pytest.fixture(scope="module")
def single(known: Laboratory) -> Case:
    return worked(known, SINGLE)


@pytest.fixture(scope="module")
def double(known: Laboratory) -> Case:
    return worked(known, DOUBLE)


def tokens_of(laboratory: Laboratory, feature: int) -> list[str]:
    """Those that the feature is active on, the strongest first."""
    values = laboratory.dictionary._values[:, feature]
    return [laboratory.subject.strings[i] for i in values.argsort(descending=True).tolist() if values[i] > 0]


@pytest.mark.parametrize("feature", [SINGLE, DOUBLE])
def test_the_program_knows_the_feature_on_text_it_never_saw(
    known: Laboratory, feature: int, request: pytest.FixtureRequest
) -> None:
    case: Case = request.getfixturevalue("single" if feature == SINGLE else "double")
    program = case.report.explanation.predictor
    assert program is not None
    view = known.index.test
    strings = known.subject.strings
    texts = [
        [strings[i] for i in ids[1:length]] for ids, length in zip(view.tokens[:40], view.lengths[:40], strict=True)
    ]
    values = known.dictionary._values[:, feature].numpy()
    true = np.concatenate(
        [values[ids[1:length]] for ids, length in zip(view.tokens[:40], view.lengths[:40], strict=True)]
    )
    predicted = np.concatenate(predict(program, texts))
    assert np.corrcoef(predicted, true)[0, 1] > 0.95
    assert (np.abs(predicted - true) > 0.5).mean() < 0.01


def test_the_sentence_names_the_token(known: Laboratory, single: Case, double: Case) -> None:
    for feature, case in ((SINGLE, single), (DOUBLE, double)):
        for token in tokens_of(known, feature):
            assert token.strip() in case.report.explanation.fires_on
    assert single.report.explanation.fires_on in single.report.explanation.summary


def test_a_simple_feature_gets_a_short_program(single: Case) -> None:
    program = single.report.explanation.predictor
    assert program is not None
    assert program.lines <= 12
    assert single.report.explanation.verdict is Verdict.EXPLAINED
    assert single.report.explanation.confidence > 0.95


def test_evidence_is_of_the_refine_split(single: Case) -> None:
    (evidence,) = single.report.evidence
    assert evidence.split == "refine"
    assert evidence.supports is True


def test_claims_are_about_ablating_and_steering_and_mostly_hold(known: Laboratory, single: Case) -> None:
    effects = single.report.explanation.effects
    assert {claim.intervention for claim in effects} == {Intervention.ABLATE, Intervention.STEER}
    for claim in effects:
        assert list(claim.tokens) == [known.subject.strings[i] for i in claim.token_ids]
    (graded,) = grade_report(known, single.bench, single.report, 5, None, metrics=["intervention_accuracy"])
    assert isinstance(graded.result, Score)
    assert graded.result.value > 0.6
    assert graded.result.value > graded.result.control["matched_random_feature"] + 0.2
    assert [e.prediction for e in graded.evidence] == [claim.sentence() for claim in effects]


def test_what_it_promotes_is_what_ablation_lowers(single: Case) -> None:
    ablations = [c for c in single.report.explanation.effects if c.intervention is Intervention.ABLATE]
    words = {-1: "promotes", 1: "suppresses"}
    assert ablations
    for claim in ablations:
        assert words[claim.sign] in single.report.explanation.promotes


@pytest.mark.parametrize(("feature", "reason"), [(DEAD, "Never active"), (RARE, "Too rarely active")])
def test_too_little_to_learn_from_is_an_answer(known: Laboratory, feature: int, reason: str) -> None:
    explanation = worked(known, feature).report.explanation
    assert explanation.verdict is Verdict.INSUFFICIENT_EVIDENCE
    assert explanation.predictor is None
    assert explanation.effects == ()
    assert explanation.confidence == 0.0
    assert explanation.summary.startswith(reason)


def test_the_rare_feature_is_seen_though(known: Laboratory) -> None:
    # Else it would be a second dead one.
    assert 0 < known.index.active[RARE] < 6
    assert known.index.active[DEAD] == 0


def test_a_rule_that_the_gate_finds_useless_is_no_explanation(single: Case) -> None:
    asked: list[Program] = []

    def gate(program: Program) -> float | None:
        asked.append(program)
        return None if len(asked) == 1 else 0.1

    explanation = RuleScientist().explain(single.bench, gate).explanation
    assert asked
    assert explanation.verdict is Verdict.UNINTERPRETABLE
    assert explanation.confidence <= 0.1


def test_it_hands_in_the_program_that_the_gate_likes_best(laboratory: Laboratory) -> None:
    case = worked(laboratory, int(np.argmax(laboratory.index.active)))
    asked: list[Program] = []

    def count(program: Program) -> float:
        asked.append(program)
        return 0.5

    RuleScientist().explain(case.bench, count)
    assert len(asked) > 1
    for wanted in asked:
        chosen = RuleScientist().explain(case.bench, lambda p, w=wanted: 0.9 if p == w else 0.5).explanation
        assert chosen.predictor == wanted
    shortest = RuleScientist().explain(case.bench, lambda p: 0.9).explanation.predictor
    assert shortest is not None
    assert shortest.lines == min(program.lines for program in asked)
