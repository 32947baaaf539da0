"""The benchmark of the main job, on features whose truth is known."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from autointerp.agents import Report
from autointerp.records import Score, Unscored
from autointerp.scoring import Graded
from autointerp.study import Laboratory
from benchmarks import explain_quality
from tests.scoring.known import DEAD, DOUBLE, SINGLE
from tests.scoring.made import explanation_of

Results = list[tuple[Report, list[Graded]]]


@pytest.fixture(scope="module")
def results(known: Laboratory) -> Results:
    return explain_quality.run(known, [SINGLE, DOUBLE, 6])


def test_every_feature_is_explained_and_graded(results: Results) -> None:
    assert len(results) == 3
    for report, graded in results:
        assert report.explanation.predictor is not None
        assert [g.result.name for g in graded] == ["intervention_accuracy", "simulation", "substitution"]
        simulation = graded[1].result
        assert isinstance(simulation, Score)
        assert simulation.value > 0.9
        assert set(simulation.control) >= {"token_table", "top_10_tokens", "shuffled_explanation"}


def test_rows_are_means_and_gaps_of_the_scores(results: Results) -> None:
    rows = {row.name: row for row in explain_quality.rows_of(results, 6.0)}
    assert rows["features"].value == 3
    assert rows["seconds per feature"].value == 2.0
    for name in ("simulation", "substitution", "intervention_accuracy"):
        scores = explain_quality.scores_named(results, name)
        values = [score.value for score in scores]
        assert rows[f"{name}: scored"].value == 3
        assert rows[f"{name}: mean"].value == pytest.approx(np.mean(values))
        assert rows[f"{name}: median"].value == pytest.approx(np.median(values))
        for control in scores[0].control:
            mean = np.mean([score.control[control] for score in scores])
            assert rows[f"{name}: mean of {control}"].value == pytest.approx(mean)
    gap = rows["simulation: above top_10_tokens"]
    assert gap.target == ">= 0.20"
    assert gap.value == pytest.approx(rows["simulation: mean"].value - rows["simulation: mean of top_10_tokens"].value)
    assert rows["intervention_accuracy: above matched_random_feature"].target == ">= 0.25"
    assert rows["simulation: above token_table"].target == ">= 0.12"
    assert rows["substitution: mean"].target == "> 0.5"
    assert rows["program lines: median"].target == "<= 20"


def test_what_could_not_be_scored_is_counted_and_not_averaged() -> None:
    scored = Score(name="simulation", value=0.5, ci=(0.4, 0.6), n=9, control={"token_table": 0.25})
    unscored = Unscored(name="simulation", reason="no")
    results = [(Report(explanation_of(None)), [Graded(result)]) for result in (scored, unscored)]
    rows = {row.name: row.value for row in explain_quality.rows_of(results, 1.0)}
    assert rows["features"] == 2
    assert rows["simulation: scored"] == 1
    assert rows["simulation: mean"] == 0.5
    assert rows["substitution: scored"] == 0
    assert "substitution: mean" not in rows


def test_it_runs_from_the_command_line(
    known: Laboratory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, records = tmp_path / "rows.json", tmp_path / "records.jsonl"
    flags = ["--quick", "--features", "2", "--json", str(rows), "--records", str(records)]
    monkeypatch.setattr(sys, "argv", ["explain_quality.py", *flags])
    monkeypatch.setattr(explain_quality, "open_laboratory", lambda *_, **__: known)
    explain_quality.main()
    written = json.loads(rows.read_text())
    for row in written:
        assert set(row) == {"name", "value", "unit", "baseline", "target", "met"}
        assert row["met"] in (True, False) if row["target"] else row["met"] is None
    assert {row["name"]: row["value"] for row in written}["features"] == 2
    lines = [json.loads(line) for line in records.read_text().splitlines()]
    assert len(lines) == 2
    assert all({"feature", "explanation", "scores"} <= set(line) for line in lines)
    # A dead feature has nothing to explain and is never drawn.
    assert DEAD not in {line["feature"] for line in lines}
    assert "simulation: mean" in capsys.readouterr().out
