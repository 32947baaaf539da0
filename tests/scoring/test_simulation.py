"""Simulation on a feature whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from autointerp.records import Program, Score, Unscored
from autointerp.sandbox import Limits
from autointerp.scoring import Controls, Exam, grade
from autointerp.scoring._protocol import _Remembering
from tests.scoring.made import explanation_of


def simulated(program: Program | None, exam: Exam, controls: Controls) -> Score | Unscored:
    (graded,) = grade(explanation_of(program), exam, controls, metrics=["simulation"])
    assert graded.result.name == "simulation"
    return graded.result


def test_the_truth_scores_one_and_its_controls_far_less(exam: Exam, controls: Controls, program: Program) -> None:
    score = simulated(program, exam, controls)
    assert isinstance(score, Score)
    assert score.value == pytest.approx(1.0, abs=1e-6)
    assert score.ci == pytest.approx((1.0, 1.0), abs=1e-6)
    assert score.n == 20
    assert set(score.control) == {"matched_random_feature", "token_table", "top_10_tokens", "shuffled_explanation"}
    assert max(score.control.values()) < 0.4


def test_controls_are_what_they_are_called(exam: Exam, controls: Controls, program: Program) -> None:
    # The same table as control and as program has to come out the same.
    truth = np.zeros_like(controls.token_table)
    np.maximum.at(truth, exam.ids[exam.mask], exam.activations[exam.mask])
    swapped = replace(controls, shuffled=program, token_table=truth, top_tokens=truth)
    score = simulated(program, replace(exam, matched_activations=exam.activations), swapped)
    assert isinstance(score, Score)
    assert score.control == pytest.approx(dict.fromkeys(score.control, 1.0), abs=1e-6)


def test_a_noisy_program_scores_its_correlation(
    exam: Exam, controls: Controls, recall: Callable[[np.ndarray], Program]
) -> None:
    noisy = exam.activations + np.random.default_rng(0).normal(size=exam.activations.shape).astype(np.float32)
    score = simulated(recall(noisy), exam, controls)
    assert isinstance(score, Score)
    expected = np.corrcoef(noisy[exam.mask], exam.activations[exam.mask])[0, 1]
    assert score.value == pytest.approx(expected, abs=1e-5)
    assert score.ci[0] < score.value < score.ci[1]
    assert score.ci[1] - score.ci[0] < 0.5


@pytest.mark.parametrize("constant", ["0", "0.1", "-3.5", "2"])
def test_constant_predictions_are_no_score(exam: Exam, controls: Controls, constant: str) -> None:
    result = simulated(Program(source=f"def predict(tokens):\n    return [{constant} for t in tokens]"), exam, controls)
    assert isinstance(result, Unscored)
    assert "same activation everywhere" in result.reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return [1 / 0 for t in tokens]", "ZeroDivisionError"),
        ("while True:\n        pass", "time"),
        ("return [float('nan') for t in tokens]", "finite number"),
        ("return [1e300 for t in tokens]", "too large"),
        ("return [0.0 for t in tokens[1:]]", "one per token"),
        ("return 1.0", "one per token"),
        ("return ['high' for t in tokens]", "finite number"),
        ("return [", ""),
    ],
)
def test_a_program_that_fails_is_no_score(
    exam: Exam, controls: Controls, body: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autointerp.scoring._protocol._Remembering", partial(_Remembering, Limits(seconds=0.3)))
    result = simulated(Program(source=f"def predict(tokens):\n    {body}\n"), exam, controls)
    assert isinstance(result, Unscored)
    assert result.reason.startswith("the program failed: ")
    assert reason in result.reason
    assert "\n" not in result.reason


def test_another_features_broken_program_costs_this_one_nothing(
    exam: Exam, controls: Controls, program: Program
) -> None:
    broken = replace(controls, shuffled=Program(source="def predict(tokens):\n    return None\n"))
    score = simulated(program, exam, broken)
    assert isinstance(score, Score)
    assert "shuffled_explanation" not in score.control
    assert set(score.control) == {"matched_random_feature", "token_table", "top_10_tokens"}


def test_no_program_is_no_score(exam: Exam, controls: Controls) -> None:
    result = simulated(None, exam, controls)
    assert result == Unscored(name="simulation", reason="the explanation has no program")
