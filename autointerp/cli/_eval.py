"""`autointerp eval`: the networks whose truth is known, listed and made."""

from __future__ import annotations

import json as json_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autointerp.cli import _eval_run

if TYPE_CHECKING:
    from autointerp.eval.organisms import Knob

app = typer.Typer(help="Networks whose truth is known, and how well agents find it out.", rich_markup_mode=None)
app.command("run")(_eval_run.run)
app.command("report")(_eval_run.report)
app.command("tasks")(_eval_run.list_tasks)
app.command("agents")(_eval_run.list_agents)


@app.command("organisms")
def organisms(
    json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
) -> None:
    """List the organisms that can be made, a line each, and the knobs of each kind."""
    from autointerp.eval.organisms import kinds, list_organisms

    listed = list_organisms()
    knobs = {label: dict(kind.knobs) for label, kind in kinds().items()}
    if json:
        typer.echo(json_.dumps({"organisms": listed, "knobs": knobs}, indent=1))
        return
    width = max(map(len, listed))
    for name, line in listed.items():
        typer.echo(f"{name:{width}}  {line}")
    for label, settings in knobs.items():
        shown = ", ".join(f"{knob}={'(its own)' if value is None else value}" for knob, value in settings.items())
        typer.echo(f"knobs of {label}: {shown or 'none'}")


@app.command("make")
def make(
    name: Annotated[str, typer.Argument(help="KIND/NAME, as `eval organisms` lists them.")],
    out: Annotated[Path, typer.Option(help="Folder to write to: subjects/ for investigators, answers/ for graders.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of every random choice.")] = 0,
    knob: Annotated[list[str] | None, typer.Option(help="NAME=VALUE; may be given several times.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Measure whether the network does what its truth says.")
    ] = False,
) -> None:
    """Make an organism and write it: the network in one folder, its truth and card in another."""
    settings = dict(_setting(text) for text in knob or [])
    from autointerp.eval.organisms import make_organism

    organism = make_organism(name, seed=seed, **settings)
    saved = organism.save(out)
    typer.echo(f"subject: {saved.subject}")
    typer.echo(f"answer: {saved.answer}")
    if not check:
        return
    measured = organism.check(seed=seed)
    for figure in measured:
        typer.echo(f"{figure.name}: {figure.value:.3f}{'' if figure.holds else ' (out of bounds)'}")
    if not all(figure.holds for figure in measured):
        raise typer.Exit(1)


def _setting(text: str) -> tuple[str, Knob]:
    """A knob and its value: a number or a truth value where it reads as one, else text."""
    name, sign, value = text.partition("=")
    if not (name and sign and value):
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--knob")
    if value in ("true", "false"):
        return name, value == "true"
    for number in (int, float):
        try:
            return name, number(value)
        except ValueError:
            continue
    return name, value
