"""The command `autointerp`: its commands, and how errors become one line and an exit code."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from autointerp._version import __version__
from autointerp.cli import _explain
from autointerp.errors import AutointerpError

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(
    name="autointerp",
    help="Find out what happens inside a neural network: explanations that are programs, graded on text they never saw.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("explain")(_explain.explain)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"autointerp {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    del version


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exits with 0 done, 1 failed, 2 usage, 130 interrupted."""
    try:
        result = app(args=arguments, standalone_mode=False)
    except AutointerpError as error:
        _fail(str(error), FAILED)
    except KeyboardInterrupt:
        _fail("interrupted: what was finished is kept, the same command goes on from there", INTERRUPTED)
    except typer.Abort:
        _fail("interrupted: what was finished is kept, the same command goes on from there", INTERRUPTED)
    except Exception as error:
        # Usage errors of the parser know their own message and code; anything else is a defect and keeps its traceback.
        show = getattr(error, "format_message", None)
        if show is None:
            raise
        _fail(f"{show()} (see --help)", USAGE)
    sys.exit(result if isinstance(result, int) else DONE)


def _fail(message: str, code: int) -> None:
    typer.echo(f"autointerp: {' '.join(message.split())}", err=True)
    sys.exit(code)
