"""`autointerp circuit`: the circuit behind a task, explained as a causal model and graded by intervention."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autointerp.cli._options import DeviceOption, ModelOption, SeedOption

if TYPE_CHECKING:
    from autointerp.records import CircuitRecord


def circuit(
    task: Annotated[
        str,
        typer.Option(
            help="induction, brackets, names, indentation, quoting, objects, greater, docstrings, or a .jsonl file of pairs."
        ),
    ] = "induction",
    model: ModelOption = "pystdlib",
    metric: Annotated[str, typer.Option(help="logit_difference, probability or kl.")] = "logit_difference",
    pairs: Annotated[int, typer.Option(min=2, help="Pairs to find the circuit on, and as many to grade it on.")] = 20,
    edges: Annotated[int | None, typer.Option(min=1, help="Edges of the circuit; by default as few as serve.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the page.")] = Path("explanations"),
    json: Annotated[Path | None, typer.Option(help="Also write the record to this file.")] = None,
    device: DeviceOption = "auto",
    seed: SeedOption = 0,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors and where the page is.")] = False,
) -> None:
    """Find the circuit behind a task, name its heads, explain it as a program, and grade all of it on held-out pairs.

    With no options, induction in the bundled model. Writes one self-contained HTML page.
    """
    from rich.console import Console

    from autointerp.report import ensure_writable, show_circuit, write_circuit_json, write_circuit_page

    page = out / f"circuit-{Path(task).stem}.html"
    ensure_writable(page)
    if json is not None:
        ensure_writable(json)
    record = _study(task, metric, pairs, edges, model, device, seed, quiet=quiet)
    write_circuit_page(record, page)
    if json is not None:
        write_circuit_json(record, json)
    if not quiet:
        show_circuit(record, Console())
    typer.echo(f"page: {page}")


def _study(
    task: str, metric: str, pairs: int, edges: int | None, model: str, device: str, seed: int, *, quiet: bool
) -> CircuitRecord:
    from autointerp.cli._progress import progress_bar

    with progress_bar(enabled=not quiet) as progress:
        # Imported under the bar: torch and transformers take seconds, and silence looks like a hang.
        progress("starting", None, None)
        from autointerp.study import CircuitQuestion, study_circuit

        question = CircuitQuestion(task=task, metric=metric, pairs=pairs, edges=edges, seed=seed)
        return study_circuit(model, question, device=device, progress=progress)
