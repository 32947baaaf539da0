"""`autointerp circuit`: the circuit behind a task, explained as a causal model and graded by intervention.

`autointerp circuit transfer` looks for the same mechanism in another model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autointerp.cli._circuit_agent import BudgetOption, RoundsOption, Scientist, study_components
from autointerp.cli._circuit_nodes import (
    DictionariesOption,
    GraphOption,
    NodesOption,
    TopOption,
    graph_can_be_written,
    latent_question,
    study_nodes,
    write_graph,
)
from autointerp.cli._llm import CacheOption, PricesOption, ReplayOption, ScientistOption
from autointerp.cli._options import DeviceOption, ModelOption, SeedOption
from autointerp.errors import InputError

app = typer.Typer(rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def circuit(
    context: typer.Context,
    task: Annotated[
        str,
        typer.Option(
            help="induction, brackets, names, indentation, quoting, objects, greater, docstrings, or a .jsonl file of pairs."
        ),
    ] = "induction",
    model: ModelOption = "pystdlib",
    metric: Annotated[str, typer.Option(help="logit_difference, probability or kl.")] = "logit_difference",
    pairs: Annotated[int, typer.Option(min=2, help="Pairs to find the circuit on, and as many to grade it on.")] = 20,
    edges: Annotated[int | None, typer.Option(min=1, help="Edges of the circuit; by default as few as serve.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the page.")] = Path("explanations"),
    json: Annotated[Path | None, typer.Option(help="Also write the record to this file.")] = None,
    device: DeviceOption = "auto",
    seed: SeedOption = 0,
    llm: ScientistOption = None,
    budget: BudgetOption = "",
    rounds: RoundsOption = 2,
    llm_cache: CacheOption = None,
    prices: PricesOption = None,
    replay: ReplayOption = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors and where the page is.")] = False,
    nodes: NodesOption = "components",
    dictionary: DictionariesOption = None,
    top: TopOption = 20,
    graph: GraphOption = None,
) -> None:
    """Find the circuit behind a task, investigate what its parts do, explain it as a program, and grade it on held-out pairs.

    With no options, induction in the bundled model, by a library of known mechanisms. Writes one self-contained HTML page.
    """
    if context.invoked_subcommand is not None:
        _nothing_before(context)
        return
    if nodes != "components" or dictionary:
        _components_alone(context, nodes)
        asked = latent_question(nodes, dictionary or [], task=task, metric=metric, pairs=pairs, top=top, seed=seed)
        study_nodes(model, asked, device=device, json=json, quiet=quiet)
        return
    graph_can_be_written(graph)
    question = {"task": task, "metric": metric, "pairs": pairs, "edges": edges, "seed": seed, "rounds": rounds}
    scientist = Scientist(llm, budget, llm_cache, prices, replay)
    record = study_components(model, question, scientist, out, json, device=device, quiet=quiet)
    write_graph(record, model, task, graph, device=device)


@app.command("transfer")
def transfer(
    record: Annotated[Path, typer.Argument(help="A circuit that was written with --json.", show_default=False)],
    model: Annotated[
        str, typer.Option(help="The other model: a folder, a name on the Hub, or pystdlib.", show_default=False)
    ],
    pairs: Annotated[
        Path | None, typer.Option(help="A .jsonl file of pairs for the other model; by default they are made.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Also write what was found to this file.")] = None,
    device: DeviceOption = "auto",
    seed: SeedOption = 0,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors and the verdict.")] = False,
) -> None:
    """Look for the mechanism of a circuit in another model, and say plainly whether it is there.

    Heads are matched by what they do, the causal model's variables are mapped anew, and it is graded again on held-out pairs.
    """
    from rich.console import Console

    from autointerp.cli._progress import progress_bar
    from autointerp.report import ensure_writable, show_transfer, write_circuit_json

    if json is not None:
        ensure_writable(json)
    with progress_bar(enabled=not quiet) as progress:
        progress("starting", None, None)
        from autointerp.study import read_circuit, transfer_circuit

        found = transfer_circuit(read_circuit(record), model, pairs=pairs, device=device, seed=seed, progress=progress)
    if json is not None:
        write_circuit_json(found, json)
    if not quiet:
        show_transfer(found, Console())
    typer.echo(found.verdict)


def _nothing_before(context: typer.Context) -> None:
    """Raises InputError for options of `circuit` before the name of another command, where nothing would read them."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = [
        "--" + name.replace("_", "-")
        for name, source in sources.items()
        if source is not None and source.name == "COMMANDLINE"
    ]
    if given:
        command = f"circuit {context.invoked_subcommand}"
        raise InputError(f"{', '.join(given)} before {command} means nothing: give options behind it")


def _components_alone(context: typer.Context, nodes: str) -> None:
    """Raises InputError for options that a circuit of these nodes does not read."""
    if nodes == "components":
        raise InputError("--dictionary means nothing to heads and MLPs: ask for --nodes features")
    sources = {
        name: context.get_parameter_source(name) for name in ("edges", "out", "graph", "llm", "budget", "rounds")
    }
    given = [f"--{name}" for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]
    if given:
        raise InputError(f"{', '.join(given)} is for circuits of components: with --nodes {nodes} leave it out")
