"""Circuits of latents and neurons on the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from autointerp.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from autointerp.records import CircuitRecord, LatentCircuitRecord
    from autointerp.study import LatentQuestion

#: Where latents leave more than this share of a site's variance over, the dictionary is likely that of another model.
_STRANGE = 0.9
_LINKS = 12

NodesOption = Annotated[
    str,
    typer.Option(help="components (heads and MLPs), features of dictionaries, or neurons; the latter have no page."),
]
DictionariesOption = Annotated[
    list[str] | None,
    typer.Option(help="With --nodes features: a dictionary, may be given several times; by default the bundled one."),
]
TopOption = Annotated[int, typer.Option(min=1, help="With --nodes features or neurons: how many of them.")]
GraphOption = Annotated[
    Path | None, typer.Option(help="Also write the first pair's graph to this file, for circuit-tracer's viewer.")
]


def graph_can_be_written(graph: Path | None) -> None:
    """Raises OutputError where the file that is asked for cannot be made."""
    from autointerp.report import ensure_writable

    if graph is not None:
        ensure_writable(graph)


def write_graph(record: CircuitRecord, model: str, task: str, graph: Path | None, *, device: str) -> None:
    """Write the graph of the first pair that a circuit was found on, where a file is asked for."""
    if graph is None:
        return
    from autointerp.report import write_graph_json
    from autointerp.study import circuit_graph

    write_graph_json(circuit_graph(record, model, task, device=device), graph)


def latent_question(
    nodes: str, dictionaries: list[str], *, task: str, metric: str, pairs: int, top: int, seed: int
) -> LatentQuestion:
    """What is asked. Raises InputError for nodes of another kind, and for a dictionary that nothing would read."""
    kinds: dict[str, Literal["features", "neurons"]] = {"features": "features", "neurons": "neurons"}
    if nodes not in kinds:
        raise InputError(f"nodes are components, features or neurons, not {nodes!r}")
    from autointerp.study import LatentQuestion

    return LatentQuestion(
        task=task, nodes=kinds[nodes], dictionaries=tuple(dictionaries), metric=metric, pairs=pairs, top=top, seed=seed
    )


def study_nodes(model: str, question: LatentQuestion, *, device: str, json: Path | None, quiet: bool) -> None:
    """Study, print and write one circuit of latents or neurons."""
    from autointerp.cli._progress import progress_bar
    from autointerp.report import ensure_writable, write_latent_circuit_json

    if json is not None:
        ensure_writable(json)
    with progress_bar(enabled=not quiet) as progress:
        progress("starting", None, None)
        from autointerp.study import study_latent_circuit

        record = study_latent_circuit(model, question, device=device, progress=progress)
    if json is not None:
        write_latent_circuit_json(record, json)
    if not quiet:
        from rich.console import Console

        show_nodes(record, Console())


def show_nodes(record: LatentCircuitRecord, console: Console) -> None:
    """Sites, nodes, edges and scores."""

    def say(line: str) -> None:
        console.print(line, highlight=False, markup=False)

    say(f"{record.model}, {record.task}: {record.asks}")
    clean, corrupted, right, wrong = map(repr, record.example)
    say(f"  {clean} wants {right}\n  {corrupted} wants {wrong}")
    for site in record.sites:
        error = f", its error {100 * site.unexplained:.0f}% of the variance" if site.unexplained else ""
        say(f"{site.name} at {site.writes}: {site.differing} nodes differ between the prompts{error}")
        if site.unexplained > _STRANGE:
            say("  so much is left over that the dictionary may be one for another model, or another place in this one")
    console.print(_node_table(record))
    if any(link.target is not None for link in record.links):
        console.print(_link_table(record))
    console.print(_score_table(record))


def _table(title: str) -> Table:
    from rich.table import Table

    return Table(title=title, title_justify="left")


def _node_table(record: LatentCircuitRecord) -> Table:
    title = f"change of {record.metric} on {record.pairs} pairs, counterfactual in place of clean"
    table = _table(title)
    for heading in ("node", "AtP", "IG", "patched", "95%", "zeroed"):
        table.add_column(heading, justify="left" if heading == "node" else "right")
    for node in record.nodes:
        low, high = node.ci
        figures = (f"{value:.3f}" for value in (node.attribution, node.integrated, node.exact))
        table.add_row(node.name, *figures, f"{low:.3f} to {high:.3f}", f"{node.zero:.3f}")
    return table


def _link_table(record: LatentCircuitRecord) -> Table:
    """Between nodes alone: what goes to the metric straight is the rest of a node's effect, and is in the record."""
    table = _table("strongest edges between nodes, to first order")
    for heading in ("from", "to", "effect"):
        table.add_column(heading, justify="right" if heading == "effect" else "left")
    between = [(link.source, link.target, link.effect) for link in record.links if link.target is not None]
    for source, target, effect in between[:_LINKS]:
        table.add_row(source, target, f"{effect:.3f}")
    return table


def _score_table(record: LatentCircuitRecord) -> Table:
    latents = sum(node.feature is not None for node in record.nodes)
    table = _table(f"these {latents} nodes on {record.held_out} held-out pairs")
    for heading in ("score", "value", "95%", "controls"):
        table.add_column(heading)
    for result in record.scores:
        if result.kind == "unscored":
            table.add_row(result.name, "unscored", "", result.reason)
            continue
        controls = ", ".join(f"{name} {value:.2f}" for name, value in result.control.items())
        table.add_row(result.name, f"{result.value:.2f}", f"{result.ci[0]:.2f} to {result.ci[1]:.2f}", controls)
    return table
