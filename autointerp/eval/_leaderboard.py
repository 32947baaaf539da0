"""The results of a run as one HTML file that loads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from autointerp.errors import OutputError
from autointerp.eval._budget import budgets_of
from autointerp.eval._report import figures_of
from autointerp.eval._results import Result


def leaderboard(results: Sequence[Result]) -> str:
    """A complete page: agents by task with intervals, then by kind, then what failed."""
    figures = figures_of(results)
    tasks = sorted({result.task for result in results})
    kinds = {task: sorted({r.kind for r in results if r.task == task}) for task in tasks}
    template = Environment(
        loader=PackageLoader("autointerp.eval", "templates"), autoescape=True, undefined=StrictUndefined
    ).get_template("leaderboard.html.j2")
    seeds = len({result.seed for result in results})
    isolation = sorted({result.isolation for result in results})
    return template.render(
        figures=figures,
        tasks=tasks,
        kinds=kinds,
        budgets=budgets_of(results),
        ranked=_ranked(figures),
        seeds=seeds,
        isolation=isolation,
        n=len(results),
    )


def _ranked(figures: dict[str, Any]) -> dict[str, list[str]]:
    """The agents of each task, the best mean score first."""
    tasks = {task for agent in figures.values() for task in agent["tasks"]}
    return {
        task: sorted(
            (agent for agent in figures if task in figures[agent]["tasks"]),
            key=lambda agent: -(figures[agent]["tasks"][task]["score"] or 0.0),
        )
        for task in sorted(tasks)
    }


def write_leaderboard(results: Sequence[Result], path: Path) -> Path:
    """Write the page. Raises OutputError where that cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(leaderboard(results), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}; choose another folder") from error
    return path
