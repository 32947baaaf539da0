"""Substitution against the same thing computed with torch hooks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from autointerp.records import Program, Score, Unscored
from autointerp.scoring import Controls, Exam, grade
from tests.scoring import plain
from tests.scoring.made import explanation_of

Recall = Callable[[np.ndarray], Program]


def substituted(program: Program | None, exam: Exam, controls: Controls) -> Score | Unscored:
    (graded,) = grade(explanation_of(program), exam, controls, metrics=["substitution"])
    assert graded.result.name == "substitution"
    return graded.result


def value_of(program: Program, exam: Exam, controls: Controls) -> float:
    score = substituted(program, exam, controls)
    assert isinstance(score, Score)
    assert score.ci[0] <= score.value <= score.ci[1]
    return score.value


def inverted(exam: Exam) -> np.ndarray:
    return np.where(exam.mask, exam.activations.max() - exam.activations, 0.0).astype(np.float32)


def directly(predicted: np.ndarray, exam: Exam) -> float:
    """1 - KL(predicted)/KL(ablated), summed over the texts: those that activate the feature, near misses and others."""
    direction = exam.dictionary.direction(exam.feature)
    damage = {}
    for name, values in (("predicted", predicted), ("ablated", np.zeros_like(predicted))):
        total = 0.0
        for text in range(len(exam.ids)):
            change = torch.from_numpy(values[text] - exam.activations[text])[:, None] * direction
            ids = torch.from_numpy(exam.ids[text]).long()
            total += plain.divergence(exam.subject, exam.dictionary, ids, int(exam.lengths[text]), change)
        damage[name] = total
    return 1 - damage["predicted"] / damage["ablated"]


def test_the_true_activations_undo_everything(exam: Exam, controls: Controls, recall: Recall) -> None:
    assert value_of(recall(exam.activations), exam, controls) == pytest.approx(1.0, abs=1e-6)


def test_zeros_undo_nothing(exam: Exam, controls: Controls, recall: Recall) -> None:
    assert value_of(recall(np.zeros_like(exam.activations)), exam, controls) == 0.0


def test_the_opposite_is_worse_than_nothing(exam: Exam, controls: Controls, recall: Recall) -> None:
    assert -1.0 <= value_of(recall(inverted(exam)), exam, controls) < 0.0


def test_the_value_is_what_plain_hooks_give(exam: Exam, controls: Controls, recall: Recall) -> None:
    random = np.random.default_rng(0)
    half = (exam.activations * random.uniform(0.2, 1.2, exam.activations.shape)).astype(np.float32)
    expected = directly(half, exam)
    assert 0.1 < expected < 0.95
    assert value_of(recall(half), exam, controls) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("kind", ["near miss", "other"])
def test_a_false_alarm_on_a_silent_text_is_paid_for(exam: Exam, controls: Controls, recall: Recall, kind: str) -> None:
    alarmed = exam.activations.copy()
    silent = exam.active + exam.near
    misses = slice(exam.active, silent) if kind == "near miss" else slice(silent, len(exam.ids))
    alarmed[misses] = np.where(exam.mask[misses], 1.0, 0.0)
    expected = directly(alarmed, exam)
    assert expected < 0.99
    assert value_of(recall(alarmed), exam, controls) == pytest.approx(max(-1.0, expected), abs=1e-3)


def test_what_is_negative_counts_as_silence(exam: Exam, controls: Controls, recall: Recall) -> None:
    below = np.where(exam.activations > 0, exam.activations, -5.0).astype(np.float32)
    assert value_of(recall(below), exam, controls) == pytest.approx(1.0, abs=1e-6)


def test_the_control_is_the_other_program(exam: Exam, controls: Controls, recall: Recall) -> None:
    swapped = replace(controls, shuffled=recall(exam.activations))
    score = substituted(recall(np.zeros_like(exam.activations)), exam, swapped)
    assert isinstance(score, Score)
    assert score.control == pytest.approx({"shuffled_explanation": 1.0}, abs=1e-6)
    assert score.n == len(exam.ids)


def test_another_features_broken_program_costs_this_one_nothing(exam: Exam, controls: Controls, recall: Recall) -> None:
    broken = replace(controls, shuffled=Program(source="def predict(tokens):\n    return None\n"))
    score = substituted(recall(exam.activations), exam, broken)
    assert isinstance(score, Score)
    assert score.control == {}


def test_a_feature_that_does_nothing_is_no_score(exam: Exam, controls: Controls, recall: Recall) -> None:
    silent = replace(exam, activations=np.zeros_like(exam.activations))
    result = substituted(recall(exam.activations), silent, controls)
    assert isinstance(result, Unscored)
    assert "nothing to undo" in result.reason


@pytest.mark.parametrize("size", ["1e25", "1e300"])
def test_absurd_predictions_are_no_number(exam: Exam, controls: Controls, size: str) -> None:
    program = Program(source=f"def predict(tokens):\n    return [{size} * (i % 2) for i in range(len(tokens))]\n")
    result = substituted(program, exam, controls)
    if isinstance(result, Score):
        assert result.value == -1.0
    else:
        assert "too large" in result.reason


def test_a_program_that_fails_is_no_score(exam: Exam, controls: Controls) -> None:
    result = substituted(Program(source="def predict(tokens):\n    return tokens.missing\n"), exam, controls)
    assert isinstance(result, Unscored)
    assert result.reason.startswith("the program failed: AttributeError")


def test_no_program_is_no_score(exam: Exam, controls: Controls) -> None:
    result = substituted(None, exam, controls)
    assert result == Unscored(name="substitution", reason="the explanation has no program")
