"""`autointerp eval run`, `tasks`, `agents` and `report`: does an agent understand networks?"""

from __future__ import annotations

import json as json_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autointerp.errors import InputError

if TYPE_CHECKING:
    from autointerp.eval import Allowance, Result

#: The file of the results in the folder of a run.
RESULTS = "results.jsonl"
#: Fresh seeds are drawn from so many: nobody can try them all.
_SEEDS = 2**62

AgentsOption = Annotated[
    list[str] | None,
    typer.Option("--agent", help="Who is asked; repeat for several. By default all that need no language model."),
]
TasksOption = Annotated[
    list[str] | None, typer.Option("--task", help="A task of the suite; repeat for several. All of them by default.")
]
SeedsOption = Annotated[
    list[int] | None,
    typer.Option("--seed", min=0, help="Seed of the problems, 0 by default; repeat for several."),
]
FreshOption = Annotated[
    int, typer.Option(min=0, help="So many seeds from the operating system instead, for results to report.")
]


def run(
    suite: Annotated[str, typer.Option(help="quick or full.")] = "quick",
    agent: AgentsOption = None,
    task: TasksOption = None,
    out: Annotated[Path, typer.Option(help="Folder for the results; given again, it goes on there.")] = Path(
        "evaluation"
    ),
    seed: SeedsOption = None,
    fresh: FreshOption = 0,
    seconds: Annotated[float, typer.Option(min=1, help="Time that an agent has for a problem.")] = 300.0,
    passes: Annotated[int | None, typer.Option(min=1, help="Forward passes that it may make.")] = None,
    dollars: Annotated[float | None, typer.Option(min=0, help="Money that its language model may cost.")] = None,
    llm: Annotated[
        str | None, typer.Option(envvar="AUTOINTERP_LLM", help="Language model of agents that use one.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Agents at a time, by default one a processor.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors and the table.")] = False,
) -> None:
    """Ask agents questions with known answers, grade what they hand in, and print how they did.

    Every agent works in a process of its own that sees the question, the network and nothing else. Results are kept as they
    come; after an interruption the same command goes on.
    """
    from autointerp.eval import Allowance

    if dollars == 0:
        raise InputError("a budget of zero dollars buys no answer: leave --dollars out for agents that are free")
    if fresh and seed:
        raise InputError("--seed and --fresh exclude each other: fresh seeds are drawn, not given")
    allowance = Allowance(seconds=seconds, forward_passes=passes, dollars=dollars)
    results = _run(suite, agent, task, out, _seeds(out, seed, fresh), allowance, llm, workers, quiet)
    _show(results)
    typer.echo(f"results: {out / RESULTS}")


def _seeds(out: Path, given: list[int] | None, fresh: int) -> list[int]:
    """The seeds; fresh ones are drawn once for a folder and kept beside the results, so that a run can go on."""
    if not fresh:
        return given or [0]
    path = out / "seeds.json"
    if path.is_file():
        kept: list[int] = json_.loads(path.read_text(encoding="utf-8"))
        if len(kept) != fresh:
            raise InputError(f"{path} has {len(kept)} seeds, not {fresh}: give --fresh {len(kept)}, or another folder")
        return kept
    import secrets

    drawn = [secrets.randbelow(_SEEDS) for _ in range(fresh)]
    out.mkdir(parents=True, exist_ok=True)
    path.write_text(json_.dumps(drawn), encoding="utf-8")
    return drawn


def _run(
    suite: str,
    agent: list[str] | None,
    task: list[str] | None,
    out: Path,
    seeds: list[int],
    allowance: Allowance,
    llm: str | None,
    workers: int | None,
    quiet: bool,
) -> list[Result]:
    from autointerp.cli._progress import progress_bar

    with progress_bar(enabled=not quiet) as progress:
        progress("starting", None, None)
        from autointerp.eval import Entry, ResultStore, agent_named, agents, batches_of, run_suite

        names = agent or [name for name, one in agents().items() if not one.network]
        entries = [Entry(name, llm if agent_named(name).network else None) for name in names]
        lacking = [name for name in names if name in agents() and agents()[name].network and llm is None]
        if lacking:
            raise InputError(f"{', '.join(lacking)} needs a language model: give --llm")
        batches = batches_of(suite, seeds, task)
        store = ResultStore(out / RESULTS)
        for result in run_suite(batches, entries, store, allowance=allowance, workers=workers, progress=progress):
            if not quiet:
                typer.echo(_line(result), err=True)
        asked = {(batch.task.name, batch.seed) for batch in batches}
        labels = {entry.label for entry in entries}
    return [r for r in store.results() if r.agent in labels and (r.task, r.seed) in asked]


def _line(result: Result) -> str:
    grade = result.grade
    what = grade.failure or f"{grade.score:.2f}{', right' if grade.success else ''}"
    return f"{result.agent}: {result.task} ({result.kind}): {what}, {result.seconds:.0f} s"


def _show(results: list[Result]) -> None:
    from rich.console import Console

    from autointerp.eval import table_of

    Console().print(table_of(results))


def list_tasks() -> None:
    """List the tasks, and how many problems of each a suite has."""
    from autointerp.eval import suites, tasks

    counts = suites()
    for name, task in tasks().items():
        numbers = ", ".join(f"{of[name]} in {suite}" for suite, of in counts.items())
        typer.echo(f"{name}: {task.summary} ({numbers})")


def list_agents() -> None:
    """List the agents that can be asked."""
    from autointerp.eval import agents

    for name, agent in agents().items():
        typer.echo(f"{name}: {agent.summary}{' (needs --llm)' if agent.network else ''}")


def report(
    folder: Annotated[Path, typer.Argument(help="Folder of a run.")],
    json: Annotated[Path | None, typer.Option(help="Also write the figures to this file.")] = None,
) -> None:
    """Print how the agents of a run did: by task, by kind, with intervals; and write the leaderboard page beside it."""
    from autointerp.eval import ResultStore, figures_of, write_leaderboard

    path = folder / RESULTS
    if not path.is_file():
        raise InputError(f"{folder} has no {RESULTS}: give the folder that `autointerp eval run --out` wrote")
    results = ResultStore(path).results()
    _show(results)
    if json is not None:
        json.write_text(json_.dumps(figures_of(results), indent=1) + "\n", encoding="utf-8")
    typer.echo(f"page: {write_leaderboard(results, folder / 'index.html')}")
