"""One record on a terminal: the sentence first, then what it rests on. Made for 80 columns, with and without colour."""

from __future__ import annotations

from dataclasses import dataclass

from rich import box
from rich.console import Console, Group, OverflowMethod, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from autointerp.records import Example, RunRecord, Score, Unscored, Verdict
from autointerp.report._claims import claims, other_evidence, state
from autointerp.report._examples import picked
from autointerp.report._glossary import label
from autointerp.report._numbers import dollars, duration, number, one_in, percent, score_number
from autointerp.report._snippet import snippet
from autointerp.report._tokens import one_line, prose

#: Example windows shown; the page has them all.
WINDOWS = 6
#: Further figures of a score that are shown; the page has them all.
BESIDE = 4
#: Wider than this, lines get hard to read.
WIDEST = 100

#: What the number columns of the score table and the gaps around them need.
_NUMBERS_WIDTH = 36

_MARKS = {"held": ("✓", "green"), "not held": ("✗", "red"), "not measured": ("–", "dim"), "not tested": ("–", "dim")}
_ASCII_MARKS = {"held": "+", "not held": "x", "not measured": "-", "not tested": "-"}
_TONES = {Verdict.EXPLAINED: "green", Verdict.POLYSEMANTIC: "magenta"}


def show(record: RunRecord, console: Console) -> None:
    """Print the summary, verdict, program, scores, claims and some examples of `record`.

    Without colour, active tokens stand between ‹ and ›. On an output that is not UTF-8, what it cannot hold is escaped.
    """
    _View(record, console).show()


@dataclass(frozen=True)
class _View:
    record: RunRecord
    console: Console

    @property
    def ascii_only(self) -> bool:
        return self.console.options.ascii_only

    @property
    def coloured(self) -> bool:
        return self.console.color_system is not None and not self.console.no_color

    @property
    def overflow(self) -> OverflowMethod:
        return "crop" if self.ascii_only else "ellipsis"

    @property
    def width(self) -> int:
        return min(self.console.width, WIDEST)

    def show(self) -> None:
        parts = (self.head(), self.program(), self.scores(), self.claims(), self.examples(), self.foot())
        for part in parts:
            self.console.print(part, width=self.width, highlight=False, markup=False, emoji=False)

    def said(self, text: str, style: str = "") -> Text:
        """Text that is nobody's markup, with nothing in it that the output cannot hold."""
        return Text(self.writable(text), style)

    def writable(self, text: str) -> str:
        return text.encode("ascii", "backslashreplace").decode("ascii") if self.ascii_only else text

    def head(self) -> RenderableType:
        explanation, feature, stats = self.record.explanation, self.record.feature, self.record.stats
        tone = _TONES.get(explanation.verdict, "yellow")
        verdict = Text.assemble(
            (label(explanation.verdict.value), f"bold {tone}"), f", confidence {score_number(explanation.confidence)}"
        )
        where = f"feature {feature.index} at {feature.site} of {feature.dictionary}, {feature.model}"
        rarity = f" ({one_in(stats.density)})" if stats.density > 0 else ""
        figures = (
            f"active on {percent(stats.density)} of {stats.tokens:,} tokens{rarity}, maximum {number(stats.maximum)}"
        )
        return Group("", self.said(prose(explanation.summary), "bold"), verdict, "", self.said(one_line(where), "dim"),
                     self.said(figures, "dim"), "")  # fmt: skip

    def program(self) -> RenderableType:
        predictor = self.record.explanation.predictor
        if predictor is None:
            return self.section("program", self.said("none: there was nothing to learn one from"))
        source = self.writable(prose(predictor.source).rstrip())
        title = f"program, {predictor.lines} {'line' if predictor.lines == 1 else 'lines'}"
        code: RenderableType = self.said(source)
        if self.coloured:
            code = Syntax(
                source, "python", theme="ansi_dark", background_color="default", word_wrap=True, line_numbers=True
            )
        return Group(Panel(code, title=title, title_align="left", border_style="dim", padding=(0, 1)), "")

    def scores(self) -> RenderableType:
        scored = [score for score in self.record.scores if isinstance(score, Score)]
        parts: list[RenderableType] = [self.score_table(scored)] if scored else []
        parts += [self.unscored(result) for result in self.record.scores if isinstance(result, Unscored)]
        return self.section("scores", *(parts or [self.said("nothing was scored")]))

    def score_table(self, scores: list[Score]) -> Table:
        """Controls stand below their score in the column of its value, where they are easily compared."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False, header_style="dim")
        numbers = ("value", "95% interval", "texts")
        # Numbers keep their width whatever the names are: a number cut short is another number.
        room = max(self.width - _NUMBERS_WIDTH, 10)
        table.add_column("score", no_wrap=True, overflow=self.overflow, max_width=room)
        for heading in numbers:
            table.add_column(heading, justify="right", no_wrap=True)
        for score in scores:
            interval = f"{score_number(score.ci[0])} to {score_number(score.ci[1])}"
            name = self.said(one_line(label(score.name)))
            table.add_row(name, Text(score_number(score.value), "bold"), interval, f"{score.n:,}")
            for control, value in score.control.items():
                words = self.said(f"  control: {one_line(label(control))}", "dim")
                table.add_row(words, Text(score_number(value), "dim"))
            if not score.control:
                table.add_row(Text("  no control", "dim"))
            for figure, value in list(score.also.items())[:BESIDE]:
                words = self.said(f"  beside: {one_line(label(figure))}", "dim")
                table.add_row(words, Text(score_number(value), "dim"))
            if len(score.also) > BESIDE:
                table.add_row(Text(f"  beside: {len(score.also) - BESIDE} more, on the page", "dim"))
        return table

    def unscored(self, result: Unscored) -> Text:
        text = Text.assemble((self.writable(one_line(label(result.name))), ""), (" not scored: ", "yellow"))
        return text.append_text(self.said(one_line(result.reason)))

    def claims(self) -> RenderableType:
        rows: list[RenderableType] = []
        for claim in claims(self.record):
            outcome = f"{claim.outcomes[0].outcome} ({claim.outcomes[0].split} split)" if claim.outcomes else ""
            rows.append(self.marked(claim.state, claim.sentence, outcome))
        others = other_evidence(self.record)
        if others:
            states = [state(evidence) for evidence in others]
            held, failed = states.count("held"), states.count("not held")
            words = f"{len(others)} further predictions were tested on the way: {held} held, {failed} did not"
            rows.append(self.said(words, "dim"))
        return self.section("claims about interventions", *(rows or [self.said("none was registered")]))

    def marked(self, how: str, sentence: str, outcome: str) -> Table:
        """A claim behind its mark, the wrapped lines aligned."""
        mark, style = _MARKS[how]
        row = Table.grid(padding=(0, 1, 0, 0))
        row.add_column(no_wrap=True)
        row.add_column(overflow="fold")
        text = Text.assemble((how, f"bold {style}"), ": ", self.said(one_line(sentence)))
        if outcome:
            text.append_text(self.said(f"\n{one_line(outcome)}", "dim"))
        row.add_row(Text(_ASCII_MARKS[how] if self.ascii_only else mark, f"bold {style}"), text)
        return row

    def examples(self) -> RenderableType:
        chosen = picked(self.record.examples, WINDOWS)
        if not chosen:
            return self.section("examples", self.said("none: the feature fired nowhere in the corpus"))
        shown: list[RenderableType] = [part for example in chosen for part in self.example(example)]
        return self.section(f"examples, {len(chosen)} of {len(self.record.examples)}", *shown)

    def example(self, example: Example) -> tuple[RenderableType, RenderableType]:
        strongest = max(example.activations, default=0.0)
        head = Text(no_wrap=True, overflow=self.overflow)
        head.append_text(self.said(f"{one_line(example.quantile):<11}"))
        head.append(f"max {number(strongest):<7}" if strongest > 0 else "silent     ")
        head.append_text(self.said(f"{one_line(example.document)}:{example.line}", "dim"))
        text = snippet(example, self.record.stats.maximum, self.width - 4, self.coloured, self.ascii_only)
        return head, Padding(text, (0, 0, 0, 2))

    def foot(self) -> RenderableType:
        cost = self.record.cost
        passes = f"{cost.forward_passes:,} forward passes, {cost.tokens:,} tokens"
        return self.said(f"{duration(cost.seconds)}, {passes}, {dollars(cost.dollars)}", "dim")

    def section(self, title: str, *parts: RenderableType) -> RenderableType:
        heading = Rule(Text(title, "bold"), align="left", style="dim", characters="-" if self.ascii_only else "─")
        return Group(heading, *parts, "")
