"""The rates that the benchmark of conclusions prints, worked by hand."""

from __future__ import annotations

import pytest

from autointerp.records import Program, Verdict
from benchmarks import investigations
from benchmarks.investigations import Found
from tests.scoring.made import explanation_of

PROGRAM = Program(source="def predict(tokens):\n    return [0.0 for t in tokens]\n")


def found(kind: str, verdict: Verdict, confidence: float, agreement: float | None) -> Found:
    explanation = explanation_of(PROGRAM).model_copy(update={"verdict": verdict, "confidence": confidence})
    return Found(1, kind, kind.startswith("null"), explanation, agreement, None, 1.0)


ALL = [
    found("null: noise", Verdict.EXPLAINED, 0.9, None),
    found("null: dead", Verdict.INSUFFICIENT_EVIDENCE, 0.0, None),
    found("context", Verdict.EXPLAINED, 0.8, 0.95),
    found("context", Verdict.EXPLAINED, 0.7, 0.4),
    found("counting", Verdict.UNINTERPRETABLE, 0.4, 0.8),
]


def test_rates() -> None:
    rows = {row.name: row for row in investigations.rows_of("offline", ALL, quick=False)}
    assert rows["offline, false conclusions on nulls"].value == 0.5
    assert rows["offline, false conclusions on nulls"].met is False
    assert rows["offline, conclusions on planted features"].value == pytest.approx(2 / 3)
    assert rows["offline, right, of those concluded"].value == 0.5
    assert rows["offline, context: agreement with the truth, mean"].value == pytest.approx(0.675)
    assert rows["offline, right, at confidence 0.75 to 1.00 (2)"].value == 0.5


def test_calibration_is_the_mean_squared_error_of_what_was_stated() -> None:
    brier, base = investigations.calibration(ALL)
    assert brier == pytest.approx((0.81 + 0.0 + 0.04 + 0.49 + 0.16) / 5)
    assert base == pytest.approx(0.2 * 0.8)


def test_a_rule_that_is_not_concluded_is_not_right() -> None:
    assert [one.right for one in ALL] == [False, False, True, False, False]
