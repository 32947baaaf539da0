"""A circuit's record as one HTML file and on a terminal: the graph drawn, the curve, the roles, the program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from autointerp.records import CausalProgram, CircuitRecord, CircuitTransfer, ComponentRole, Score, ScoreResult
from autointerp.report._circuit_notebook import circuit_notebook
from autointerp.report._files import _write
from autointerp.report._notebook import clock
from autointerp.report._numbers import dollars, duration, number, percent, score_number
from autointerp.report._tokens import coded, one_line, prose

WIDTH, ROW, MARGIN = 860, 64, 46
CURVE_WIDTH, CURVE_HEIGHT = 460, 200
_WIDEST = 7.0
#: Characters of why there is no role on a terminal: the page has all of it.
_REASON = 120
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 24, 10, 30


@dataclass(frozen=True)
class Dot:
    """A node on the page, with the words for its tooltip."""

    name: str
    x: float
    y: float
    kind: str
    words: str


@dataclass(frozen=True)
class Line:
    """An edge on the page: from, to, how wide."""

    x1: float
    y1: float
    x2: float
    y2: float
    width: float
    negative: bool
    words: str


@dataclass(frozen=True)
class Drawing:
    """The graph: layers from the bottom up, heads before the MLP; `height` in pixels."""

    dots: tuple[Dot, ...]
    lines: tuple[Line, ...]
    height: float


def drawing(record: CircuitRecord) -> Drawing:
    """Where nodes and edges go: a row for the heads and one for the MLP of each layer, the logits at the top."""
    rows: dict[tuple[int, int], list[str]] = {}
    effects = {node.name: node.effect for node in record.nodes}
    for node in record.nodes:
        level = (node.layer, 1 if node.kind == "mlp" else 0)
        rows.setdefault(level, []).append(node.name)
    top = (max((node.layer for node in record.nodes), default=0) + 1, 0)
    rows[top] = ["logits"]
    levels = sorted(rows)
    height = MARGIN * 2 + ROW * (len(levels) - 1)
    roles = {role.component: role.mechanism for role in record.roles}
    roles |= {finding.component: finding.role for finding in record.findings if finding.role is not None}
    places, dots = {}, []
    for row, level in enumerate(levels):
        names = rows[level]
        for column, name in enumerate(names):
            x = round(WIDTH * (column + 1) / (len(names) + 1), 1)
            y = round(height - MARGIN - ROW * row, 1)
            places[name] = (x, y)
            words = name if name not in effects else f"{name}: metric {number(effects[name])} when patched"
            words += f", {roles[name]}" if name in roles else ""
            kind = "logits" if name == "logits" else "mlp" if level[1] else "input" if level[0] < 0 else "head"
            dots.append(Dot(name, x, y, kind, words))
    widest = max((abs(edge.score) for edge in record.edges), default=1.0) or 1.0
    lines = []
    for edge in sorted(record.edges, key=lambda edge: abs(edge.score)):
        target = edge.target.partition("<")[0]
        if edge.source not in places or target not in places:
            # Groups of heads share a target: drawn to the first head of theirs that is there.
            target = next((n for n in places if n.startswith(target.partition(".")[0] + ".h")), "logits")
        (x1, y1), (x2, y2) = places[edge.source], places[target]
        width = round(max(0.4, _WIDEST * abs(edge.score) / widest), 2)
        words = f"{edge.source} to {edge.target}: {number(edge.score)}"
        lines.append(Line(x1, y1, x2, y2, width, edge.score > 0, words))
    return Drawing(tuple(dots), tuple(lines), height)


def curve_points(record: CircuitRecord) -> tuple[str, str, tuple[tuple[float, str], ...]]:
    """The curve and its control as points of a polyline, over the rank of the share, and labels of the shares."""
    count = max(1, len(record.curve) - 1)

    def place(index: int, value: float) -> str:
        x = _LEFT + index / count * (CURVE_WIDTH - _LEFT - _RIGHT)
        clipped = min(1.2, max(-0.2, value))
        y = CURVE_HEIGHT - _BOTTOM - (clipped + 0.2) / 1.4 * (CURVE_HEIGHT - _TOP - _BOTTOM)
        return f"{x:.1f},{y:.1f}"

    own = " ".join(place(i, point.faithfulness) for i, point in enumerate(record.curve))
    other = " ".join(place(i, point.control) for i, point in enumerate(record.curve))
    labels = tuple(
        (round(_LEFT + i / count * (CURVE_WIDTH - _LEFT - _RIGHT), 1), percent(point.share))
        for i, point in enumerate(record.curve)
    )
    return own, other, labels


def circuit_page(record: CircuitRecord) -> str:
    """The page: a complete HTML document that loads nothing and runs no script."""
    environment = Environment(
        loader=PackageLoader("autointerp.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "percent": percent, "score": score_number, "one_line": one_line}
    environment.filters |= {"clock": clock, "coded": coded, "dollars": dollars, "duration": duration, "prose": prose}
    environment.tests["scored"] = lambda result: isinstance(result, Score)
    own, other, labels = curve_points(record)
    return environment.get_template("circuit.html.j2").render(
        record=record,
        graph=drawing(record),
        curve=own,
        control=other,
        labels=labels,
        width=WIDTH,
        curve_width=CURVE_WIDTH,
        curve_height=CURVE_HEIGHT,
        notebook=circuit_notebook(record.ledger),
    )


def write_circuit_page(record: CircuitRecord, path: Path) -> None:
    """Write the page, replacing an older one in one step; missing folders are made. Raises OutputError."""
    _write(path, circuit_page(record))


def write_circuit_json(record: CircuitRecord | CircuitTransfer, path: Path) -> None:
    """Write the record as JSON, replacing an older one in one step. Raises OutputError."""
    _write(path, record.model_dump_json(indent=2) + "\n")


def show_circuit(record: CircuitRecord, console: Console) -> None:
    """The circuit, roles and scores on a terminal."""
    console.print(f"{record.model}, {record.task}: {record.asks}", highlight=False)
    clean, corrupted, right, wrong = map(repr, record.example)
    console.print(f"  {clean} wants {right}\n  {corrupted} wants {wrong}", highlight=False, markup=False)
    shown = f"{len(record.edges)} of {record.all_edges} edges, {len(record.nodes)} nodes, by {record.method}"
    console.print(shown, highlight=False)
    console.print(_edge_table(record))
    if record.findings:
        console.print(_finding_table(record))
    elif record.roles:
        console.print(_role_table(record.roles))
    for group in record.groups:
        names = ", ".join(f"{n} {score_number(s)}" for n, s in zip(group.components, group.silhouettes, strict=True))
        one = "one and the same" if group.merged else "not one and the same"
        console.print(f"{group.role}: {one} by swap silhouette ({names})", highlight=False, markup=False)
    if record.causal is not None:
        _show_program(record.causal, console)
    console.print(_score_table(record.scores, record.held_out))
    if record.conclusion is not None:
        shown = f"{record.conclusion.verdict}: {record.conclusion.because}"
        console.print(shown, highlight=False, markup=False, soft_wrap=True)


def show_transfer(record: CircuitTransfer, console: Console) -> None:
    """What was found of a circuit in another model, on a terminal; the verdict is the caller's to print."""
    console.print(f"{record.task} of {record.origin}, looked for in {record.model}", highlight=False, markup=False)
    answers = (
        f"{percent(record.answers)} of prompts answered right, {percent(record.usual_answers)} by its untrained twin"
    )
    console.print(answers, highlight=False)
    for match in record.matches:
        heads = ", ".join(role.component for role in match.found) or "none"
        line = f"{match.mechanism}: {', '.join(match.components)} there, {heads} here"
        console.print(line, highlight=False)
    if found := [role for match in record.matches for role in match.found]:
        console.print(_role_table(found))
    if record.causal is not None:
        _show_program(record.causal, console)
    results = [record.iia] if record.own is None else [record.iia, record.own.model_copy(update={"name": "IIA there"})]
    console.print(_score_table(results, record.held_out))


def _show_program(causal: CausalProgram, console: Console) -> None:
    console.print("The program, and where its variables are:", highlight=False)
    console.print(causal.source.rstrip(), highlight=False, markup=False)
    for variable in causal.variables:
        where = " at the last token" if variable.last else ""
        console.print(f"  {variable.name}: {', '.join(variable.components) or 'nowhere'}{where}", highlight=False)


def _edge_table(record: CircuitRecord) -> Table:
    table = Table(title="strongest edges", title_justify="left")
    for heading in ("from", "to", "change when cut"):
        table.add_column(heading, justify="right" if heading.startswith("change") else "left")
    for edge in sorted(record.edges, key=lambda edge: -abs(edge.score))[:20]:
        table.add_row(edge.source, edge.target, number(edge.score))
    return table


def _finding_table(record: CircuitRecord) -> Table:
    table = Table(title="components", title_justify="left")
    for heading in ("component", "when patched", "role", "evidence, or why there is none"):
        table.add_column(heading, overflow="fold")
    for finding in record.findings:
        because = one_line(finding.because)
        shown = because if finding.role is not None or len(because) <= _REASON else because[: _REASON - 1] + "…"
        table.add_row(finding.component, number(finding.effect), one_line(finding.role or "unexplained"), escape(shown))
    return table


def _role_table(roles: Sequence[ComponentRole]) -> Table:
    table = Table(title="roles", title_justify="left")
    for heading in ("head", "role", "attention", "usual", "held by the ideal", "copies", "stands"):
        table.add_column(heading)
    for role in roles:
        held = "no effect to hold" if role.held is None else score_number(role.held)
        stands = {None: "untested", True: "yes", False: "no"}[role.stands]
        attention, usual = score_number(role.signature), score_number(role.usual)
        table.add_row(role.component, role.mechanism, attention, usual, held, score_number(role.copying), stands)
    return table


def _score_table(scores: Sequence[ScoreResult], held_out: int) -> Table:
    table = Table(title=f"on {held_out} held-out pairs", title_justify="left")
    for heading in ("score", "value", "95%", "controls"):
        table.add_column(heading)
    for result in scores:
        if isinstance(result, Score):
            controls = ", ".join(f"{name} {score_number(value)}" for name, value in result.control.items())
            low, high = map(score_number, result.ci)
            table.add_row(result.name, score_number(result.value), f"{low} to {high}", controls)
        else:
            table.add_row(result.name, "unscored", "", result.reason)
    return table
