"""`autointerp explain`: one feature, from nothing to a graded explanation and its page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from autointerp.records import RunRecord


def explain(
    feature: Annotated[int, typer.Option(help="Number of the feature in the dictionary.")] = 1234,
    model: Annotated[
        str, typer.Option(help="Folder or hub name of a transformers model, or the bundled one.")
    ] = "pystdlib",
    dictionary: Annotated[
        str, typer.Option(help="file:FOLDER, FORMAT:PLACE, neurons:mlp.3 and the like, or the bundled one.")
    ] = "pystdlib-sae",
    corpus: Annotated[
        str, typer.Option(help="stdlib, a file of texts (.jsonl, .parquet, .txt), a folder, or a hub dataset.")
    ] = "stdlib",
    tokens: Annotated[int, typer.Option(min=10_000, help="Tokens of the corpus to index.")] = 300_000,
    out: Annotated[Path, typer.Option(help="Folder for the page.")] = Path("explanations"),
    json: Annotated[Path | None, typer.Option(help="Also write the run record to this file.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps: where the model runs.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16, float16: what it computes in.")] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors and where the page is.")] = False,
) -> None:
    """Explain one feature and score the explanation on text and interventions it was not made from.

    With no options, on the bundled model. Writes one self-contained HTML page.
    """
    from rich.console import Console

    from autointerp.report import ensure_writable, show, write_json, write_page

    page = out / f"feature-{feature}.html"
    ensure_writable(page)
    if json is not None:
        ensure_writable(json)
    record = _study(
        feature,
        quiet,
        model=model,
        dictionary=dictionary,
        corpus=corpus,
        tokens=tokens,
        seed=seed,
        device=device,
        dtype=dtype,
    )
    write_page(record, page)
    if json is not None:
        write_json(record, json)
    if not quiet:
        show(record, Console())
    typer.echo(f"page: {page}")


def _study(feature: int, quiet: bool, **options: Any) -> RunRecord:
    """Run the study under a progress bar on the terminal's error stream; `options` are those of `open_laboratory`."""
    from autointerp.cli._progress import progress_bar

    with progress_bar(enabled=not quiet) as progress:
        # Imported under the bar: torch and transformers take seconds, and silence looks like a hang.
        progress("starting", None, None)
        from autointerp.study import open_laboratory, study_feature

        laboratory = open_laboratory(feature=feature, progress=progress, **options)
        return study_feature(laboratory, feature, progress=progress)
