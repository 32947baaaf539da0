"""A circuit's record becomes the attribution graph of the first pair that it was found on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autointerp.circuits import Parts, edge_attribution, metric_named, read_task, top_edges
from autointerp.errors import InputError
from autointerp.models import Subject
from autointerp.records import CircuitEdge, CircuitRecord
from autointerp.study import circuit_graph


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("pairs") / "made-up.jsonl"
    rows = [{"clean": [0, 5 + i, 6, 9], "corrupted": [0, 40 + i, 6, 9], "right": [3], "wrong": [4]} for i in range(4)]
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return file


def test_the_graph_of_a_record_has_its_edges(subject: Subject, pairs: Path) -> None:
    parts = Parts(subject)
    found_on = read_task(subject, pairs, metric_named("logit_difference")).halves()[0]
    scores = edge_attribution(parts, found_on).mean
    circuit = top_edges(parts.graph, scores, 40).pruned()
    sources, targets = parts.graph.source_numbers, parts.graph.target_numbers
    edges = [CircuitEdge(source=a, target=b, score=float(scores[targets[b], sources[a]])) for a, b in circuit.names()]
    # What a graph is made from; the rest of a record says nothing about it.
    fields: dict[str, Any] = {
        "fingerprint": subject.fingerprint,
        "model": subject.name,
        "metric": "logit_difference",
        "pairs": 2,
        "held_out": 2,
        "seed": 0,
        "edges": tuple(edges),
    }
    record = CircuitRecord.model_construct(None, **fields)
    graph = circuit_graph(record, subject, str(pairs))
    assert graph["metadata"]["prompt_tokens"] == [subject.strings[i] for i in found_on.pairs[0].clean]
    # An edge is drawn for what it does, the opposite of what cutting it does.
    ends = {node["node_id"] for node in graph["nodes"]}
    assert {link["source"] for link in graph["links"]} | {link["target"] for link in graph["links"]} <= ends
    assert sum(link["weight"] for link in graph["links"]) == pytest.approx(-sum(edge.score for edge in edges), abs=1e-5)
    with pytest.raises(InputError, match="is not the model of this circuit"):
        circuit_graph(record.model_copy(update={"fingerprint": "other"}), subject, str(pairs))
