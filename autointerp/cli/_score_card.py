"""Report cards on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from autointerp.report import meaning

if TYPE_CHECKING:
    from autointerp.records import ScoreResult
    from autointerp.study import ReportCard, ReportCards


#: What each stress test does, and what an explanation that is true does under it.
_EXPECTED = {
    "shuffled explanation": "another feature's, which should score low",
    "random direction": "of the same norm in the feature's place, which should score low",
    "untrained twin": "the model with its weights in random order, where nothing was learned: should be low",
    "layer-shuffled twin": "the model's layers in another order: should be low",
    "other corpus": "should stay",
    "row space": "share of the direction that reaches the model's output, should be near 1",
}


def show_cards(cards: ReportCards, *, quiet: bool) -> None:
    """Every card, then the means; one line a card where `quiet`."""
    console = Console()
    for card in cards.cards:
        if quiet:
            console.print(f"feature {card.feature.index}: {card.established}", markup=False, highlight=False)
        else:
            _card(card, console)
    if not quiet and all(result.kind == "unscored" for card in cards.cards for result in card.scores):
        _hint(cards, console)
    if quiet or not cards.means:
        return
    console.print(f"\n[bold]Means over {len(cards.cards)} features[/bold]")
    table = _table()
    for mean in cards.means:
        _row(table, mean.result)
    console.print(table)
    for mean in cards.means:
        if missing := sum(mean.unscored.values()):
            console.print(f"{mean.result.name}: {missing} not scored, left out of the mean", markup=False)


def _card(card: ReportCard, console: Console) -> None:
    console.print(f"\n[bold]Feature {card.feature.index}[/bold] of {escape(card.feature.dictionary)}")
    console.print(f"Says:        {card.explanation.summary}", markup=False, highlight=False)
    console.print(f"Established: {card.established}", markup=False, highlight=False, style="bold")
    table = _table()
    for result in card.scores:
        _row(table, result)
    console.print(table)
    _meanings(card.scores, console)
    for name, results in card.stress.items():
        expected = next((words for key, words in _EXPECTED.items() if name.startswith(key)), "")
        table = _table(f"Under stress: {name}{expected and f'; {expected}'}")
        for result in results:
            _row(table, result)
        console.print(table)


def _hint(cards: ReportCards, console: Console) -> None:
    """What to do where nothing could be scored because the explanations are words alone."""
    if any(card.explanation.predictor or card.explanation.effects for card in cards.cards):
        return
    words = (
        "These explanations are words alone, which somebody has to read: name a language model with --llm to judge them,"
        " or folders of models with --embedder and --reader, which need no network."
    )
    console.print(f"\n{words}", markup=False, highlight=False)


def _meanings(results: Sequence[ScoreResult], console: Console) -> None:
    """What each score says, its further figures, and which numbers to compare; nothing of a score without a value."""
    known = [result for result in results if result.kind == "score"]
    for score in known:
        further = ", ".join(f"{name.replace('_', ' ')} {value:.2f}" for name, value in score.also.items())
        parts = [part for part in (meaning(score.name), further and f"beside it {further}") if part]
        if parts:
            console.print(f"  {score.name}: {'; '.join(parts)}", markup=False, highlight=False, style="dim")
    if known:
        words = "A score counts as shown where its whole interval lies above what it is to be compared with."
        console.print(f"  {words}", style="dim")


def _table(title: str | None = None) -> Table:
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("score")
    table.add_column("value", justify="right")
    table.add_column("95% interval", justify="right")
    table.add_column("n", justify="right")
    table.add_column("to be compared with")
    return table


def _row(table: Table, result: ScoreResult) -> None:
    if result.kind == "unscored":
        table.add_row(result.name, "-", "", "", f"not scored: {escape(result.reason)}")
        return
    controls = ", ".join(f"{name.replace('_', ' ')} {value:.2f}" for name, value in sorted(result.control.items()))
    low, high = result.ci
    table.add_row(result.name, f"{result.value:.2f}", f"{low:.2f} to {high:.2f}", str(result.n), escape(controls))
