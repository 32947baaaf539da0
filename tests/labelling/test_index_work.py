"""What is done from the index alone, against the same done with the model at hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from autointerp.agents import RuleScientist
from autointerp.labelling._index_work import IndexWork
from autointerp.programs import Predictor
from autointerp.records import Score, Unscored, Verdict
from autointerp.study import Laboratory
from autointerp.study._bench import matched_feature, open_bench
from autointerp.study._study import grade_report
from tests.scoring.known import DEAD, DOUBLE, SINGLE


@pytest.fixture(scope="module")
def work(known: Laboratory) -> Iterator[IndexWork]:
    with IndexWork(known.index.folder, len(known.subject.strings), known.seed) as opened:
        yield opened


@pytest.mark.parametrize("feature", [SINGLE, DOUBLE])
def test_a_label_is_what_explaining_the_feature_gives(known: Laboratory, work: IndexWork, feature: int) -> None:
    attempt = work.learn(feature)
    graded = work.grade(feature, attempt.explanation)
    with Predictor() as predictor:
        bench, gate = open_bench(known, known.feature(feature), predictor)
        report = RuleScientist().explain(bench, gate)
        assert attempt.explanation.predictor == report.explanation.predictor
        assert attempt.explanation.fires_on == report.explanation.fires_on
        assert attempt.explanation.predictor is not None
        assert attempt.refine == pytest.approx(gate(attempt.explanation.predictor), abs=1e-12)
        assert work.gate(feature, attempt.explanation.predictor) == attempt.refine
        (expected,) = grade_report(known, bench, report, matched_feature(known, feature), None, metrics=["simulation"])
    assert isinstance(expected.result, Score)
    assert isinstance(graded.simulation, Score)
    # The index rounds activations to eleven bits, and the exam computes the matched feature's anew.
    assert graded.simulation.value == pytest.approx(expected.result.value, abs=1e-3)
    assert graded.simulation.ci == pytest.approx(expected.result.ci, abs=2e-3)
    assert graded.simulation.control == pytest.approx(expected.result.control, abs=2e-3)
    assert graded.stats.active == bench.stats.active
    assert all(e.predicted is not None and len(e.predicted) == len(e.tokens) for e in graded.examples)


def test_a_dead_feature_is_an_answer_without_a_score(work: IndexWork) -> None:
    attempt = work.learn(DEAD)
    assert (attempt.explanation.verdict, attempt.refine) == (Verdict.INSUFFICIENT_EVIDENCE, None)
    assert isinstance(work.grade(DEAD, attempt.explanation).simulation, Unscored)


def test_a_program_that_fails_is_unscored_with_the_reason(work: IndexWork) -> None:
    explanation = work.learn(SINGLE).explanation
    assert explanation.predictor is not None
    broken = explanation.model_copy(update={"predictor": explanation.predictor.model_copy(update={"source": "x = 1"})})
    graded = work.grade(SINGLE, broken)
    assert isinstance(graded.simulation, Unscored)
    assert "the program failed" in graded.simulation.reason
    assert broken.predictor is not None
    assert work.gate(SINGLE, broken.predictor) is None


def test_tables_that_disagree_with_their_program_are_not_believed(work: IndexWork) -> None:
    from autointerp.induction import Rule
    from autointerp.induction._apply import Terms
    from autointerp.records import Program

    program = Program(source="def predict(tokens):\n    return [2.0 for t in tokens]\n")
    work.predictor.know(Rule(program, "", 0.0, Terms(5.0, ())))
    assert work.predictor(program, [["a"], ["b", "c"]]) == [[2.0], [2.0, 2.0]]
