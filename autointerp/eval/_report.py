"""How agents did: success with intervals, by task and by kind; false discoveries, calibration, cost, and what failed."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rich.table import Table

from autointerp.eval._results import Result

#: Two-sided 95% of a normal distribution.
_Z = 1.959963984540054
_BINS = 5


def figures_of(results: Sequence[Result]) -> dict[str, Any]:
    """All figures as plain data: by agent, over everything, by task, and by kind within each task."""
    return {
        agent: {
            **_figures(own),
            "tasks": {
                task: {**_figures(of), "kinds": {kind: _figures(some) for kind, some in _by(of, lambda r: r.kind)}}
                for task, of in _by(own, lambda r: r.task)
            },
        }
        for agent, own in _by(results, lambda r: r.agent)
    }


def table_of(results: Sequence[Result]) -> Table:
    """A line for each agent, task by task; narrow enough for a terminal of eighty columns."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("agent", *_COLUMNS):
        table.add_column(column, justify="left" if column == "agent" else "right", no_wrap=True)
    for task, of in _by(results, lambda r: r.task):
        table.add_row(f"[bold]{task}")
        for agent, own in _by(of, lambda r: r.agent):
            table.add_row(f"  {agent}", *_cells(own))
    return table


def markdown_of(results: Sequence[Result]) -> str:
    """The same as a table for a page, with a column for the task."""
    lines = [["task", "agent", *_COLUMNS], ["---", "---", *("---:" for _ in _COLUMNS)]]
    for task, of in _by(results, lambda r: r.task):
        lines += [[task, agent, *_cells(own)] for agent, own in _by(of, lambda r: r.agent)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


_COLUMNS = ("n", "score", "success", "95%", "false", "Brier", "s each", "passes", "failed")


def _cells(results: Sequence[Result]) -> list[str]:
    f = _figures(results)
    return [
        str(f["n"]),
        _number(f["score"]),
        _number(f["success"]),
        f"{f['low']:.2f}–{f['high']:.2f}",
        _number(f["false_discoveries"]),
        _number(f["brier"]),
        f"{f['seconds']:.1f}",
        _number(f["forward_passes"], 0),
        str(f["failed"]),
    ]


def wilson(successes: int, n: int) -> tuple[float, float]:
    """The 95% interval of a share (Wilson 1927); (0, 1) where nothing was seen."""
    if not n:
        return 0.0, 1.0
    share, spread = successes / n, _Z * _Z / n
    middle = (share + spread / 2) / (1 + spread)
    half = _Z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def _figures(results: Sequence[Result]) -> dict[str, Any]:
    grades = [result.grade for result in results]
    right = sum(grade.success for grade in grades)
    low, high = wilson(right, len(grades))
    false = [grade.false_discovery for grade in grades if grade.false_discovery is not None]
    stated = [(grade.confidence, grade.success) for grade in grades if grade.confidence is not None]
    failures = Counter(_tag(grade.failure) for grade in grades if grade.failure is not None)
    return {
        "n": len(grades),
        "seeds": len({result.seed for result in results}),
        "score": _mean(grade.score for grade in grades),
        "success": right / len(grades) if grades else None,
        "low": low,
        "high": high,
        "false_discoveries": _mean(map(float, false)),
        "nulls": len(false),
        "brier": _mean((c - s) ** 2 for c, s in stated),
        "calibration_error": _calibration_error(stated),
        "seconds": _mean(result.seconds for result in results),
        "forward_passes": _mean(r.forward_passes for r in results if r.forward_passes is not None),
        "dollars": _mean(r.dollars for r in results if r.dollars is not None),
        "failed": sum(failures.values()),
        "failures": dict(failures),
        "parts": _parts(results),
    }


def _parts(results: Sequence[Result]) -> dict[str, float | None]:
    found: dict[str, list[float]] = defaultdict(list)
    for result in results:
        for name, value in result.grade.parts.items():
            found[name].append(value)
    return {name: _mean(values) for name, values in sorted(found.items())}


def _tag(why: str) -> str:
    """What kind of failure it was: the plan, the code, the time, or that nothing came."""
    if why.startswith("it was not done"):
        return "out of time"
    if why.startswith("the program failed"):
        return "code error"
    if why.startswith(("no program", "it handed nothing")):
        return "incomplete"
    return "no answer" if why.startswith(("the answer", "not an answer")) else "crashed"


def _calibration_error(stated: Sequence[tuple[float, bool]]) -> float | None:
    """Expected calibration error in five bins of equal width (Naeini et al. 2015)."""
    if not stated:
        return None
    bins: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for confidence, right in stated:
        bins[min(_BINS - 1, int(confidence * _BINS))].append((confidence, right))
    gaps = (abs(sum(c for c, _ in of) - sum(right for _, right in of)) for of in bins.values())
    return sum(gaps) / len(stated)


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return sum(found) / len(found) if found else None


def _number(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _by(results: Iterable[Result], key: Callable[[Result], str]) -> list[tuple[str, list[Result]]]:
    groups: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        groups[key(result)].append(result)
    return sorted(groups.items())
