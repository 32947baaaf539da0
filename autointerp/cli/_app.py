"""The commands and what they share."""

from __future__ import annotations

from typing import Annotated

import typer

from autointerp._version import __version__
from autointerp.cli import _circuit, _doctor, _eval, _explain, _index, _label, _llm, _mcp, _score, _tools

app = typer.Typer(
    name="autointerp",
    help="Find out what happens inside a neural network: explanations that are programs, graded on text they never saw.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("explain")(_explain.explain)
app.command("label")(_label.label)
app.add_typer(_circuit.app, name="circuit")
app.command("score")(_score.score)
app.add_typer(_index.app, name="index")
app.add_typer(_eval.app, name="eval")
app.add_typer(_tools.app, name="tools")
app.command("doctor")(_doctor.doctor)
app.add_typer(_llm.app, name="llm")
app.command("mcp")(_mcp.mcp)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"autointerp {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    del version
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(2)
