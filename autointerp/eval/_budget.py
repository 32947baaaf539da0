"""Success against budget: how many of all questions are answered right at no more than a cost that is the same for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from autointerp.eval._report import wilson
from autointerp.eval._results import Result

Cost = Literal["seconds", "forward_passes", "dollars"]
LEVELS = 3


def levels_of(results: Sequence[Result], cost: Cost = "seconds") -> list[float]:
    """Three budgets: what a third, two thirds, and all of the answers cost at most, those of no cost left out."""
    known = sorted(value for result in results if (value := getattr(result, cost)) is not None and value > 0)
    return sorted({float(known[-(-len(known) * n // LEVELS) - 1]) for n in range(1, LEVELS + 1)}) if known else []


def budgets_of(
    results: Sequence[Result], *, cost: Cost = "seconds", levels: Sequence[float] | None = None
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """By task and agent, for each level, the share of questions answered right within it, with its 95% interval.

    An answer that cost more counts as none, as does one whose cost nobody stated. The levels of a task are the same for all
    agents, by default those of `levels_of`.
    """
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for task in sorted({result.task for result in results}):
        asked = [result for result in results if result.task == task]
        at = levels_of(asked, cost) if levels is None else levels
        found[task] = {
            agent: [_within([result for result in asked if result.agent == agent], cost, level) for level in at]
            for agent in sorted({result.agent for result in asked})
        }
    return found


def _within(results: Sequence[Result], cost: Cost, level: float) -> dict[str, Any]:
    paid = [getattr(result, cost) for result in results]
    right = sum(r.grade.success and c is not None and c <= level for r, c in zip(results, paid, strict=True))
    low, high = wilson(right, len(results))
    return {cost: level, "n": len(results), "success": right / len(results), "low": low, "high": high}
