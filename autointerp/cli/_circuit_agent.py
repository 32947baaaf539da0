"""A circuit of components, investigated and written down, as the command line does it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autointerp.cli._llm import open_roles

if TYPE_CHECKING:
    from autointerp.records import CircuitRecord

#: Longer lines of what happens are cut: the page has all of it.
_LINE = 160

BudgetOption = Annotated[
    str,
    typer.Option(
        envvar="AUTOINTERP_BUDGET",
        help="Hard limits of the explanation: 2usd, 500ktokens, 200calls, 300passes, 10min, with commas.",
    ),
]
RoundsOption = Annotated[int, typer.Option(min=0, help="Times that refuted roles are revised at the most.")]


@dataclass(frozen=True, slots=True)
class Scientist:
    """Who explains the circuit, and within which limits; without `llm` the rule scientist."""

    llm: str | None
    budget: str
    cache: Path | None
    prices: Path | None
    replay: bool


def study_components(
    model: str,
    question: dict[str, Any],
    scientist: Scientist,
    out: Path,
    json: Path | None,
    *,
    device: str,
    quiet: bool,
) -> CircuitRecord:
    """Study a circuit, write its page and its record, and print it; `question` are the fields of `CircuitQuestion`."""
    from rich.console import Console

    from autointerp.report import ensure_writable, show_circuit, write_circuit_json, write_circuit_page

    page = out / f"circuit-{Path(question['task']).stem}.html"
    ensure_writable(page)
    if json is not None:
        ensure_writable(json)
    record = _study(model, question, scientist, device, quiet=quiet)
    write_circuit_page(record, page)
    if json is not None:
        write_circuit_json(record, json)
    if not quiet:
        show_circuit(record, Console())
    typer.echo(f"page: {page}")
    return record


def _study(model: str, question: dict[str, Any], scientist: Scientist, device: str, *, quiet: bool) -> CircuitRecord:
    from autointerp.cli._progress import progress_bar

    with progress_bar(enabled=not quiet) as progress:
        # Imported under the bar: torch and transformers take seconds, and silence looks like a hang.
        progress("starting", None, None)
        from autointerp.agents import Limits
        from autointerp.study import CircuitQuestion, study_circuit

        limits, llms = Limits.parse(scientist.budget), None
        if scientist.llm is not None:
            more: dict[str, Any] = {"cache": scientist.cache, "prices": scientist.prices, "replay": scientist.replay}
            llms = open_roles(scientist.llm, budget=limits.llm or None, **more)

        def tell(kind: str, text: str) -> None:
            # What the rule scientist does is done in seconds; a language model is waited for.
            if llms is not None and kind != "step" and not quiet:
                typer.echo(f"{kind}: {' '.join(text.split())[:_LINE]}", err=True)

        asked = CircuitQuestion(**question)
        return study_circuit(model, asked, device=device, llms=llms, limits=limits, tell=tell, progress=progress)
