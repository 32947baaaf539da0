"""`autointerp score`: how much of explanations that exist already is true."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autointerp.cli._llm import (
    BudgetOption,
    CacheOption,
    JudgeOption,
    PricesOption,
    ReplayOption,
    ScientistOption,
    SimulatorOption,
    open_roles,
)
from autointerp.cli._options import CorpusOption, DeviceOption, SeedOption, TokensOption

if TYPE_CHECKING:
    import asyncio

    from autointerp.llm import LLMs
    from autointerp.scoring import Judges
    from autointerp.study import ReportCards

Path_ = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="A run record, or labels: a Neuronpedia export, a folder of Delphi's, a CSV."),
]


def score(
    file: Path_,
    metrics: Annotated[str | None, typer.Option(help="Names with commas between them; see the documentation.")] = None,
    form: Annotated[
        str | None, typer.Option("--format", help="csv, delphi or neuronpedia, where it is not clear.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The model, where the file does not say.")] = None,
    dictionary: Annotated[str | None, typer.Option(help="The dictionary, where the file does not say.")] = None,
    corpus: CorpusOption = "stdlib",
    tokens: TokensOption = 300_000,
    limit: Annotated[int | None, typer.Option(min=1, help="Score the first so many of the labels alone.")] = None,
    stress: Annotated[
        bool, typer.Option("--stress", help="Also score under circumstances that should destroy it.")
    ] = False,
    stress_corpus: Annotated[str | None, typer.Option(help="Another corpus, on which --stress scores too.")] = None,
    embedder: Annotated[str | None, typer.Option(help="Folder of a model whose mean state stands for a text.")] = None,
    reader: Annotated[
        str | None, typer.Option(help="Folder of a causal model that says how probable texts are.")
    ] = None,
    llm: ScientistOption = None,
    judge: JudgeOption = None,
    simulator: SimulatorOption = None,
    budget: BudgetOption = None,
    replay: ReplayOption = False,
    llm_cache: CacheOption = None,
    prices: PricesOption = None,
    json: Annotated[Path | None, typer.Option(help="Also write the report cards to this file.")] = None,
    device: DeviceOption = "auto",
    seed: SeedOption = 0,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print one line for each explanation.")] = False,
) -> None:
    """Score explanations on text and interventions they were not made from: one report card each.

    FILE is a record that `autointerp explain --json` wrote, or labels made elsewhere. What needs a language model is scored
    where one is named.
    """
    from autointerp.cli._score_card import show_cards
    from autointerp.report import ensure_writable

    if json is not None:
        ensure_writable(json)
    cards = _with_models(
        {"scientist": llm, "judge": judge, "simulator": simulator},
        {"budget": budget, "replay": replay, "cache": llm_cache, "prices": prices},
        file,
        form,
        limit,
        quiet=quiet,
        asked={"embedder": embedder, "reader": reader, "device": device},
        stress=(stress, stress_corpus),
        metrics=None if metrics is None else [name.strip() for name in metrics.split(",") if name.strip()],
        where={"model": model, "dictionary": dictionary},
        opened={"corpus": corpus, "tokens": tokens, "seed": seed, "device": device},
    )
    if json is not None:
        json.write_text(cards.model_dump_json(indent=1) + "\n", encoding="utf-8")
    show_cards(cards, quiet=quiet)


def _with_models(
    roles: dict[str, str | None], options: dict[str, Any], *arguments: Any, asked: dict[str, Any], **rest: Any
) -> ReportCards:
    """Score while the language models that were named are open, all on one event loop."""
    import asyncio

    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        models = None
        if any(roles.values()):
            models = open_roles(roles["scientist"], roles["judge"], roles["simulator"], **options)
            stack.callback(lambda: runner.run(models.aclose()))
        return _scored(*arguments, asked={"models": models, "runner": runner, **asked}, **rest)


def _scored(
    file: Path,
    form: str | None,
    limit: int | None,
    *,
    quiet: bool,
    asked: dict[str, Any],
    stress: tuple[bool, str | None],
    metrics: list[str] | None,
    where: dict[str, str | None],
    opened: dict[str, Any],
) -> ReportCards:
    """Read, open and score, under a progress bar."""
    from autointerp.cli._progress import progress_bar

    with progress_bar(enabled=not quiet) as progress:
        progress("starting", None, None)
        from autointerp.study import Stress, open_laboratory, read_submission, score_explanations

        submission = read_submission(file, form)
        claimed = submission.claimed[:limit]
        laboratory = open_laboratory(
            where["model"] or submission.model or "pystdlib",
            where["dictionary"] or submission.dictionary or "pystdlib-sae",
            feature=max(one.feature for one in claimed),
            progress=progress,
            **opened,
        )
        return score_explanations(
            laboratory,
            claimed,
            metrics=metrics,
            judges=_judges(**asked),
            stress=Stress(stress[0] or stress[1] is not None, stress[1]),
            progress=progress,
        )


def _judges(
    models: LLMs | None, runner: asyncio.Runner, embedder: str | None, reader: str | None, device: str
) -> Judges:
    """Whoever was named on the command line."""
    from autointerp.models import Subject
    from autointerp.scoring import Judge, Judges

    named = {} if models is None else {role: Judge(models[role], runner) for role in models}
    return Judges(
        judge=named.get("judge"),
        simulator=named.get("simulator"),
        embedder=Subject.load(embedder, device=device) if embedder else None,
        reader=Subject.load(reader, device=device) if reader else None,
    )
