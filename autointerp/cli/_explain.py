"""`autointerp explain`: one feature, from nothing to a graded explanation and its page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autointerp.cli._llm import CacheOption, PricesOption, ReplayOption, ScientistOption, default_cache
from autointerp.cli._options import (
    CorpusOption,
    DeviceOption,
    DictionaryOption,
    DtypeOption,
    ModelOption,
    SeedOption,
    TokensOption,
)
from autointerp.errors import InputError, LLMError

if TYPE_CHECKING:
    from autointerp.records import RunRecord


#: Longer lines of what happens are cut: the page has all of it.
_LINE = 160

StrategyOption = Annotated[
    str | None,
    typer.Option(
        help="offline, oneshot, investigate, react; offline without --llm, investigate with one, if not given."
    ),
]
LimitsOption = Annotated[
    str,
    typer.Option(
        envvar="AUTOINTERP_BUDGET", help="Hard limits: 2usd, 500ktokens, 200calls, 300passes, 10min, with commas."
    ),
]


def explain(
    context: typer.Context,
    feature: Annotated[int, typer.Option(help="Number of the feature in the dictionary.")] = 1234,
    model: ModelOption = "pystdlib",
    dictionary: DictionaryOption = "pystdlib-sae",
    corpus: CorpusOption = "stdlib",
    tokens: TokensOption = 300_000,
    out: Annotated[Path, typer.Option(help="Folder for the page.")] = Path("explanations"),
    json: Annotated[Path | None, typer.Option(help="Also write the run record to this file.")] = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    seed: SeedOption = 0,
    strategy: StrategyOption = None,
    llm: ScientistOption = None,
    critic: Annotated[str | None, typer.Option(help="Model that plays the critic, if another.")] = None,
    budget: LimitsOption = "",
    rounds: Annotated[int, typer.Option(min=1, help="Times that hypotheses are revised at the most.")] = 3,
    resume: Annotated[Path | None, typer.Option(help="Folder of a run that was begun: go on with it.")] = None,
    llm_cache: CacheOption = None,
    prices: PricesOption = None,
    replay: ReplayOption = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors and where the page is.")] = False,
) -> None:
    """Explain one feature and score the explanation on text and interventions it was not made from.

    With no options, on the bundled model. Writes one self-contained HTML page. What any other strategy than offline does is
    kept in a folder of its own beneath --out, and goes on from there with --resume.
    """
    setup = {"model": model, "dictionary": dictionary, "corpus": corpus, "tokens": tokens, "seed": seed}
    setup |= {"device": device, "dtype": dtype}
    if resume is not None:
        _only_resume(context)
        return _investigate({"resume": resume}, json, quiet=quiet)
    strategy = strategy or ("investigate" if llm else "offline")
    if strategy == "offline" and not budget:
        return _offline(feature, out, json, setup, quiet=quiet)
    asked: dict[str, Any] = {"strategy": strategy, "rounds": rounds, "llm": llm, "critic": critic, "budget": budget}
    asked |= {"prices": str(prices.absolute()) if prices else None, "replay": replay}
    asked["llm_cache"] = str((llm_cache or default_cache()).absolute()) if llm else None
    return _investigate({"feature": feature, "folder": out, **setup, **asked}, json, quiet=quiet)


def _offline(feature: int, out: Path, json: Path | None, setup: dict[str, Any], *, quiet: bool) -> None:
    """The rule scientist by itself: no run is kept, since it is done in seconds."""
    from rich.console import Console

    from autointerp.report import ensure_writable, show, write_json, write_page

    page = out / f"feature-{feature}.html"
    ensure_writable(page)
    if json is not None:
        ensure_writable(json)
    record = _study(feature, quiet, **setup)
    write_page(record, page)
    if json is not None:
        write_json(record, json)
    if not quiet:
        show(record, Console())
    typer.echo(f"page: {page}")


#: Flags that a run that is resumed can be given again.
_WITH_RESUME = {"resume", "json", "quiet"}


def _only_resume(context: typer.Context) -> None:
    """Raises InputError where a flag is given that the run has its own setting of."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = [
        "--" + name.replace("_", "-")
        for name, source in sources.items()
        if source is not None and source.name == "COMMANDLINE" and name not in _WITH_RESUME
    ]
    if given:
        raise InputError(f"a run that is resumed has its own settings: leave out {', '.join(given)}")


def _investigate(where: dict[str, Any], json: Path | None, *, quiet: bool) -> None:
    """Run or resume an investigation, telling of it line by line on the error stream, and write its page."""
    import asyncio

    from rich.console import Console

    from autointerp.cli._progress import progress_bar
    from autointerp.report import ensure_writable, show, write_json, write_page

    if json is not None:
        ensure_writable(json)
    folder: list[Path] = []
    with progress_bar(enabled=not quiet) as progress:
        progress("starting", None, None)
        from autointerp.study import explain_feature

        def listener(kind: str, text: str) -> None:
            if kind == "run":
                folder.append(Path(text))
                typer.echo(f"run: {text} (if it is interrupted: autointerp explain --resume {text})", err=True)
            elif kind == "note":
                typer.echo(f"note: {text}", err=True)
            elif kind == "step":
                progress(text, None, None)
            elif not quiet:
                typer.echo(f"{kind}: {' '.join(text.split())[:_LINE]}", err=True)

        try:
            record = asyncio.run(explain_feature(listener=listener, progress=progress, **where))
        except LLMError as error:
            raise LLMError(f"{error}; what was done is kept: autointerp explain --resume {folder[0]}") from error
    page = folder[0] / "page.html"
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
