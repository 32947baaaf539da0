"""`autointerp label`: a whole dictionary, or a range of it, from nothing to a store of labels and a table to look through."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from autointerp.labelling import Label, LabelStore
    from autointerp.study import Laboratory


def label(
    features: Annotated[
        str | None, typer.Option(help="0:4096 (the end left out), 17, or several with commas; all by default.")
    ] = None,
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
    out: Annotated[Path, typer.Option(help="Folder for the labels, their table and their pages.")] = Path("labels"),
    enough: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Refine-split score from which on no dearer stage is tried.")
    ] = 0.7,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes, as many as there are processors by default.")
    ] = None,
    pages: Annotated[bool, typer.Option("--pages/--no-pages", help="Write a page for every feature.")] = True,
    export: Annotated[
        list[Path] | None, typer.Option(help="Also write the labels here: .parquet, .jsonl or .csv. Repeatable.")
    ] = None,
    neuronpedia: Annotated[
        Path | None, typer.Option(help="Also write explanations in Neuronpedia's format, a JSON object a line.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps: where the model runs.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16, float16: what it computes in.")] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors and where the table is.")] = False,
) -> None:
    """Label the features of a dictionary, the cheapest way first, and write a table of them.

    What was finished is kept when this is interrupted or killed, and the same command goes on from there. A feature that
    fails is a row that says why, and is tried again when the command is given again.
    """
    for path in [*(export or []), *filter(None, [neuronpedia])]:
        from autointerp.report import ensure_writable

        ensure_writable(path)
    laboratory = _laboratory(
        quiet,
        model=model,
        dictionary=dictionary,
        corpus=corpus,
        tokens=tokens,
        seed=seed,
        device=device,
        dtype=dtype,
    )
    from autointerp.labelling import LabelStore, about_of, parse_features, summarise, write_table

    size = laboratory.dictionary.size
    chosen = parse_features(f"0:{size}" if features is None else features, size)
    with LabelStore(out, about=about_of(laboratory)) as store:
        try:
            _label(laboratory, store, chosen, enough=enough, processes=workers, quiet=quiet)
        finally:
            if pages:
                _write_pages(store, quiet)
            table = write_table(store)
        if not quiet:
            for line in summarise(store.labels()).lines():
                typer.echo(line)
        _export(store, export or [], neuronpedia)
    typer.echo(f"table: {table}")


def _laboratory(quiet: bool, **options: Any) -> Laboratory:
    from autointerp.cli._progress import progress_bar

    with progress_bar(enabled=not quiet) as progress:
        progress("starting", None, None)
        from autointerp.study import open_laboratory

        return open_laboratory(progress=progress, **options)


def _label(
    laboratory: Laboratory, store: LabelStore, features: list[int], *, enough: float, processes: int | None, quiet: bool
) -> None:
    import asyncio
    import os

    from autointerp.labelling import Cascade, Rules, open_workers
    from autointerp.study._study import versions

    count = processes or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    async def run() -> None:
        async with open_workers(laboratory, count) as workers:
            cascade = Cascade(
                stages=[Rules(workers)],
                workers=workers,
                reference=laboratory.feature,
                versions=versions(laboratory),
                enough=enough,
                concurrency=4 * count,
            )
            pending = cascade.pending(store, features)
            with _live(len(features), len(features) - len(pending), enabled=not quiet) as told:
                await cascade.run(store, features, told)

    asyncio.run(run())


@contextmanager
def _live(total: int, done: int, *, enabled: bool) -> Iterator[Callable[[Label], None]]:
    """Show how many are done, how fast, for how much, when it will end, and the mean score, on a terminal's error stream."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("labelling"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(),
    )
    scores: list[float] = []
    spent, failed, began, settled = 0.0, 0, time.monotonic(), 0
    with Progress(*columns, console=console, transient=True, disable=not (enabled and console.is_terminal)) as bar:
        task = bar.add_task("labelling", total=total, completed=done, told="")

        def tell(label: Label) -> None:
            nonlocal spent, failed, settled
            settled += 1
            spent += label.dollars
            failed += label.status == "failed"
            if label.simulation is not None:
                scores.append(label.simulation)
            rate = settled / max(1e-9, time.monotonic() - began)
            mean = f"  mean score {sum(scores) / len(scores):.3f}" if scores else ""
            bad = f"  {failed} failed" if failed else ""
            bar.update(task, advance=1, told=f"{rate:.2f}/s  ${spent:.2f}{mean}{bad}")

        yield tell


def _write_pages(store: LabelStore, quiet: bool) -> None:
    """Pages of the rows that have none, or whose row is younger."""
    from autointerp.cli._progress import progress_bar
    from autointerp.labelling._table import page_of
    from autointerp.report import write_page

    labels = [label for label in store.labels() if label.status == "labelled"]
    stale = [label for label in labels if not _fresh(store.folder / page_of(label.feature), label)]
    with progress_bar(enabled=not quiet) as progress:
        for done, label in enumerate(stale):
            progress("writing pages", done, len(stale))
            record = store.record(label.feature)
            if record is not None:
                write_page(record, store.folder / page_of(label.feature))


def _fresh(page: Path, label: Label) -> bool:
    return page.is_file() and page.stat().st_mtime > label.at.timestamp()


def _export(store: LabelStore, paths: list[Path], neuronpedia: Path | None) -> None:
    from autointerp.labelling import export

    for path, form in [*((path, None) for path in paths), *((p, "neuronpedia") for p in [neuronpedia] if p)]:
        typer.echo(f"export: {export(store, path, form)} rows in {path}")
