"""Figures against tables worked by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from autointerp.eval import Allowance, Grade, Result, budgets_of, figures_of, markdown_of, write_leaderboard
from autointerp.eval._report import wilson


def result(
    agent: str, score: float, *, task: str = "t", kind: str = "k", false: bool | None = None, **more: object
) -> Result:
    grade = Grade(
        score=score,
        success=score >= 0.8,
        false_discovery=false,
        confidence=more.pop("confidence", None),  # type: ignore[arg-type]
        failure=more.pop("failure", None),  # type: ignore[arg-type]
    )
    return Result(
        task=task,
        problem=f"{agent}{score}{more}",
        kind=kind,
        agent=agent,
        seed=0,
        grade=grade,
        seconds=more.pop("seconds", 2.0),  # type: ignore[arg-type]
        isolation="process",
        allowance=Allowance(),
        version="0",
        at="now",
        **more,  # type: ignore[arg-type]
    )


def test_the_interval_is_that_of_the_table() -> None:
    # Newcombe 1998, table I: 81 of 263, and none of 20.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


def test_figures_of_a_few_results() -> None:
    results = [
        result("a", 1.0, confidence=0.9),
        result("a", 0.5, confidence=0.5, kind="other", false=True),
        result("a", 0.0, failure="it was not done after 3 s", false=False),
    ]
    figures = figures_of(results)["a"]
    assert figures["score"] == pytest.approx(0.5)
    assert figures["success"] == pytest.approx(1 / 3)
    assert figures["false_discoveries"] == 0.5
    assert figures["brier"] == pytest.approx((0.1**2 + 0.5**2) / 2)
    assert figures["calibration_error"] == pytest.approx((0.1 + 0.5) / 2)
    assert figures["failures"] == {"out of time": 1}
    assert figures["tasks"]["t"]["kinds"]["other"]["score"] == 0.5
    assert figures["dollars"] is None


def test_the_table_has_a_line_for_each_task_and_agent() -> None:
    lines = markdown_of([result("a", 1.0), result("b", 0.0), result("a", 0.5, task="u")]).splitlines()
    assert len(lines) == 2 + 3
    assert [line.split(" | ")[:2] for line in lines[2:]] == [["| t", "a"], ["| t", "b"], ["| u", "a"]]


def test_success_within_a_budget_counts_what_cost_more_as_none() -> None:
    results = [
        result("a", 1.0, seconds=1.0),
        result("a", 0.9, seconds=4.0),
        result("b", 1.0, seconds=2.0, forward_passes=5),
        result("b", 0.1, seconds=1.0, forward_passes=1),
    ]
    # A third of four costs 1 1 2 4 is two of them, two thirds are three.
    shares = {agent: [(x["seconds"], x["success"]) for x in found] for agent, found in budgets_of(results)["t"].items()}
    assert shares == {"a": [(1.0, 0.5), (2.0, 0.5), (4.0, 1.0)], "b": [(1.0, 0.0), (2.0, 0.5), (4.0, 0.5)]}
    by_passes = budgets_of(results, cost="forward_passes", levels=[5])["t"]
    assert [by_passes[agent][0]["success"] for agent in "ab"] == [0.0, 0.5]
    assert budgets_of(results, cost="dollars")["t"] == {"a": [], "b": []}


def test_the_page_has_all_agents_and_loads_nothing(tmp_path: Path) -> None:
    results = [result("<a>", 1.0, confidence=0.9), result("b", 0.0, failure="it was not done after 3 s", false=True)]
    page = write_leaderboard(results, tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert "&lt;a&gt;" in page
    assert "<a>" not in page
    assert "out of time 1" in page
    assert "Right within a budget" in page
    assert "http" not in page.replace("http-equiv", "")
