"""MIB's circuit files (Mueller et al., 2025): the JSON of the package EAP-IG, in and out.

Its heads have queries, keys and values of their own. Where heads share keys and values, an edge into the group is written
for each of its heads, and is read back as the one of the largest score.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from autointerp.circuits._graph import Circuit, Graph, Reading, Target
from autointerp.errors import InputError


def mib_graph(circuit: Circuit, scores: Tensor, *, width: int) -> dict[str, Any]:
    """The graph as MIB's tools read it; `scores` [targets, sources], `width` of the residual stream.

    Raises InputError for a model whose heads cannot be told apart, which the format has no name for.
    """
    graph = circuit.graph
    _check(graph)
    present = set(circuit.nodes())
    nodes = {source.name: {"in_graph": number in present} for number, source in enumerate(graph.sources)}
    nodes["logits"] = {"in_graph": bool(circuit.edges[-1].any())}
    edges = {}
    for number, source in torch.argwhere(graph.allowed).tolist():
        for name in _names(graph, graph.targets[number]):
            edges[f"{graph.sources[source].name}->{name}"] = {
                "score": float(scores[number, source]),
                "in_graph": bool(circuit.edges[number, source]),
            }
    config = {
        "n_layers": graph.layers,
        "n_heads": graph.shape.heads[0],
        "parallel_attn_mlp": graph.shape.parallel,
        "d_model": width,
    }
    return {"cfg": config, "nodes": nodes, "edges": edges}


def read_mib_graph(graph: Graph, content: Any) -> tuple[Circuit, Tensor]:
    """The circuit and the scores [targets, sources] of such a graph, for the model of `graph`.

    Raises InputError for what is no such graph, or is one of another model.
    """
    _check(graph)
    if not isinstance(content, dict) or not isinstance(content.get("edges"), dict):
        raise InputError("not a circuit of MIB: it has no `edges`; give the JSON that Graph.to_json wrote")
    config = content.get("cfg", {})
    for field, own in (("n_layers", graph.layers), ("n_heads", graph.shape.heads[0])):
        if isinstance(config, dict) and config.get(field, own) != own:
            raise InputError(f"a graph of another model: its {field} is {config[field]}, and this model's {own}")
    numbers = {name: i for i, target in enumerate(graph.targets) for name in _names(graph, target)}
    edges, scores = torch.zeros_like(graph.allowed), torch.zeros(graph.allowed.shape)
    for name, edge in content["edges"].items():
        source, _, target = str(name).partition("->")
        if source not in graph.source_numbers or target not in numbers:
            raise InputError(f"the graph has the edge {name!r}, which this model does not have")
        place = numbers[target], graph.source_numbers[source]
        if not bool(graph.allowed[place]):
            raise InputError(f"the graph has the edge {name!r}, which this model does not have")
        score = edge.get("score") if isinstance(edge, dict) else None
        if score is not None and abs(float(score)) >= abs(float(scores[place])):
            scores[place] = float(score)
        edges[place] |= bool(edge.get("in_graph", False)) if isinstance(edge, dict) else False
    return Circuit(graph, edges), scores


def load_mib_graph(graph: Graph, path: Path) -> tuple[Circuit, Tensor]:
    """The same from a file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON ({error}): give a circuit that MIB's tools wrote") from error
    return read_mib_graph(graph, content)


def _check(graph: Graph) -> None:
    if not graph.shape.separate or len(set(graph.shape.heads)) > 1:
        raise InputError("MIB's format has one node a head and as many in each layer: this model has no such graph")


def _names(graph: Graph, target: Target) -> list[str]:
    if target.reading in (Reading.MLP, Reading.LOGITS):
        return [target.name]
    return [f"a{target.layer}.h{head}<{target.reading}>" for head in graph.heads_of(target)]
