"""`autointerp label`: a whole dictionary, or a range of it, from nothing to a store of labels and a table to look through."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autointerp.cli._options import (
    CorpusOption,
    DeviceOption,
    DictionaryOption,
    DtypeOption,
    ModelOption,
    SeedOption,
    TokensOption,
)

if TYPE_CHECKING:
    from autointerp.labelling import Label, LabelStore, Stage, Workers
    from autointerp.study import Laboratory


FeaturesOption = Annotated[
    str | None, typer.Option(help="0:4096 (the end left out), 17, or several with commas; all by default.")
]
LlmOption = Annotated[
    str | None,
    typer.Option(help="openai:NAME, anthropic:NAME or openai:NAME@URL, for what the rules do not explain well enough."),
]
StagesOption = Annotated[
    str | None,
    typer.Option(help="In order, of rules and the strategies; rules, and with --llm rules,oneshot by default."),
]
BudgetOption = Annotated[
    str | None, typer.Option(help="Of all language models together, as 20usd, 5Mtokens, or both with a comma.")
]
WorkersOption = Annotated[
    int | None, typer.Option(min=1, help="Worker processes, as many as there are processors by default.")
]
ExportOption = Annotated[
    list[Path] | None, typer.Option(help="Also write the labels here: .parquet, .jsonl or .csv. Repeatable.")
]
NeuronpediaOption = Annotated[
    Path | None, typer.Option(help="Also write explanations in Neuronpedia's format, a JSON object a line.")
]


def label(
    features: FeaturesOption = None,
    model: ModelOption = "pystdlib",
    dictionary: DictionaryOption = "pystdlib-sae",
    corpus: CorpusOption = "stdlib",
    tokens: TokensOption = 300_000,
    out: Annotated[Path, typer.Option(help="Folder for the labels, their table and their pages.")] = Path("labels"),
    llm: LlmOption = None,
    stages: StagesOption = None,
    budget: BudgetOption = None,
    prices: Annotated[Path | None, typer.Option(help="File of prices, read over those of the package.")] = None,
    concurrency: Annotated[
        int, typer.Option(min=1, help="Requests under way to the language model, or in one batch of it.")
    ] = 64,
    batch: Annotated[
        bool, typer.Option("--batch", help="Ask through the provider's batch endpoint: cheaper, minutes to hours.")
    ] = False,
    effects: Annotated[
        bool, typer.Option("--effects", help="Measure what features do to the output too: some forward passes each.")
    ] = False,
    enough: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Refine-split score from which on no dearer stage is tried.")
    ] = 0.7,
    workers: WorkersOption = None,
    pages: Annotated[bool, typer.Option("--pages/--no-pages", help="Write a page for every feature.")] = True,
    export: ExportOption = None,
    neuronpedia: NeuronpediaOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    seed: SeedOption = 0,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors and where the table is.")] = False,
) -> None:
    """Label the features of a dictionary, the cheapest way first, and write a table of them.

    What was finished is kept when this is interrupted or killed, and the same command goes on from there. A feature that
    fails is a row that says why, and is tried again when the command is given again.
    """
    named = _stages(stages, llm)
    if batch and llm is None:
        raise typer.BadParameter("there is nobody to ask without --llm", param_hint="'--batch'")
    settings = _Asked(named, llm, budget, prices, concurrency, enough, workers, batch, effects)
    for path in [*(export or []), *filter(None, [neuronpedia])]:
        from autointerp.report import ensure_writable

        ensure_writable(path)
    place = {"model": model, "dictionary": dictionary, "corpus": corpus, "tokens": tokens}
    laboratory = _laboratory(quiet, seed=seed, device=device, dtype=dtype, **place)
    from autointerp.labelling import LabelStore, about_of, parse_features

    size = laboratory.dictionary.size
    chosen = parse_features(f"0:{size}" if features is None else features, size)
    with LabelStore(out, about=about_of(laboratory)) as store:
        table = _filled(laboratory, store, chosen, settings, pages=pages, quiet=quiet)
        _export(store, export or [], neuronpedia)
    typer.echo(f"table: {table}")


def _filled(
    laboratory: Laboratory, store: LabelStore, features: list[int], asked: _Asked, *, pages: bool, quiet: bool
) -> Path:
    """Label, write the pages, say what came of it; where the table of it is, which an interruption leaves whole too."""
    from autointerp.labelling import summarise, write_table

    try:
        _label(laboratory, store, features, asked, quiet)
    finally:
        table = write_table(store)
    if pages:
        _write_pages(store, quiet)
        table = write_table(store)
    if not quiet:
        for line in summarise(store.labels()).lines():
            typer.echo(line)
    return table


def _laboratory(quiet: bool, **options: Any) -> Laboratory:
    from autointerp.cli._progress import progress_bar

    with progress_bar(enabled=not quiet) as progress:
        progress("starting", None, None)
        from autointerp.study import open_laboratory

        return open_laboratory(progress=progress, **options)


@dataclass(frozen=True, slots=True)
class _Asked:
    stages: tuple[str, ...]
    llm: str | None
    budget: str | None
    prices: Path | None
    concurrency: int
    enough: float
    workers: int | None
    batch: bool
    effects: bool


def _stages(text: str | None, llm: str | None) -> tuple[str, ...]:
    """The names of the stages, before anything is loaded. Raises BadParameter."""
    named = tuple(filter(None, (part.strip() for part in (text or "").split(","))))
    named = named or (("rules",) if llm is None else ("rules", "oneshot"))
    if len(set(named)) < len(named):
        raise typer.BadParameter(f"{text!r} names a stage twice", param_hint="'--stages'")
    if llm is None and named != ("rules",):
        raise typer.BadParameter(f"{', '.join(named)} needs --llm; without one there is rules", param_hint="'--stages'")
    return named


def _label(laboratory: Laboratory, store: LabelStore, features: list[int], asked: _Asked, quiet: bool) -> None:
    import asyncio
    import os

    count = asked.workers or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)

    async def run() -> None:
        from autointerp.labelling import Cascade, open_workers
        from autointerp.study import versions

        async with open_workers(laboratory, count) as workers, AsyncExitStack() as stack:
            cascade = Cascade(
                stages=await _opened(laboratory, store, asked, _rules(laboratory, asked, workers, stack), stack),
                workers=workers,
                reference=laboratory.feature,
                versions=versions(laboratory),
                enough=asked.enough,
                concurrency=4 * count if asked.llm is None else asked.concurrency + 4 * count,
            )
            pending = cascade.pending(store, features)
            with _live(len(features), len(features) - len(pending), enabled=not quiet) as told:
                await cascade.run(store, features, told)

    asyncio.run(run())


async def _opened(
    laboratory: Laboratory, store: LabelStore, asked: _Asked, rules: Stage, stack: AsyncExitStack
) -> list[Stage]:
    """The stages by name, and the model that some of them ask."""
    from autointerp.labelling import Asking, Gathered

    if asked.llm is None:
        return [rules]
    from autointerp.llm import Budget, open_llms

    llms = await stack.enter_async_context(
        open_llms(
            {"scientist": asked.llm},
            cache=store.folder / "llm.sqlite",
            run="labels",
            budget=Budget.parse(asked.budget) if asked.budget else None,
            prices=asked.prices,
            concurrency=asked.concurrency,
        )
    )
    scientist: Any = llms["scientist"]
    if asked.batch:
        scientist = Gathered(scientist, most=asked.concurrency)
        stack.push_async_callback(scientist.aclose)

    def opened(name: str) -> Stage:
        if name == "rules":
            return rules
        # What is asked once is labelled for when it fires, unless more is wanted; an investigation tries claims in any case.
        effects = asked.effects or name != "oneshot"
        folder = store.folder / "under way"
        return stack.enter_context(Asking(name, laboratory, scientist, folder=folder, effects=effects))

    return [opened(name) for name in asked.stages]


def _rules(laboratory: Laboratory, asked: _Asked, workers: Workers, stack: AsyncExitStack) -> Stage:
    from autointerp.labelling import Rules, WithEffects

    rules = Rules(workers)
    return stack.enter_context(WithEffects(rules, laboratory)) if asked.effects else rules


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
    from autointerp.labelling import page_of
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
