"""Grading with all scorers, and when nothing can be graded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autointerp.errors import PluginError
from autointerp.records import Program, Score, Unscored
from autointerp.scoring import Controls, Exam, grade
from tests.scoring.made import explanation_of

METRICS = ["intervention_accuracy", "simulation", "substitution"]


def test_all_metrics_come_in_the_order_of_their_names(exam: Exam, controls: Controls, program: Program) -> None:
    graded = grade(explanation_of(program), exam, controls)
    assert [g.result.name for g in graded] == METRICS
    assert [type(g.result) for g in graded] == [Unscored, Score, Score]


def test_an_unknown_metric_lists_the_valid_ones(exam: Exam, controls: Controls, program: Program) -> None:
    with pytest.raises(PluginError, match=r"'simulatoin': there are clarity, detection, .*, simulation, .*surprisal"):
        grade(explanation_of(program), exam, controls, metrics=["simulatoin"])


@pytest.mark.parametrize("active", [0, 4])
def test_too_few_activating_texts_are_no_score(exam: Exam, controls: Controls, program: Program, active: int) -> None:
    graded = grade(explanation_of(program), replace(exam, active=active), controls)
    reason = f"{active} test texts activate the feature; at least 5 are needed"
    assert [g.result for g in graded] == [Unscored(name=name, reason=reason) for name in METRICS]


def test_five_activating_texts_are_enough(exam: Exam, controls: Controls, program: Program) -> None:
    (graded,) = grade(explanation_of(program), replace(exam, active=5), controls, metrics=["simulation"])
    assert isinstance(graded.result, Score)
