"""A circuit that was found, as the attribution graph of one of its pairs."""

from __future__ import annotations

from typing import Any

import torch

from autointerp.circuits import Circuit, Parts, attribution_graph
from autointerp.errors import InputError
from autointerp.models import Subject
from autointerp.records import CircuitRecord
from autointerp.study._circuit import CircuitQuestion, inputs_of


def circuit_graph(
    record: CircuitRecord, model: str | Subject, task: str, *, pair: int = 0, device: str = "auto"
) -> dict[str, Any]:
    """The graph of a circuit on one of the pairs that it was found on, in circuit-tracer's schema.

    Parameters
    ----------
    model, task: those of the record: a model's name and a kind of task, or a file of pairs.

    Raises InputError for another model than that of the record, and for a pair that there is not.
    """
    subject = model if isinstance(model, Subject) else Subject.load(model, device=device)
    if subject.fingerprint != record.fingerprint:
        raise InputError(f"{subject.name} is not the model of this circuit, {record.model}: its weights are others")
    asked = CircuitQuestion(task=task, metric=record.metric, pairs=record.pairs, seed=record.seed)
    found_on = inputs_of(subject, asked).found_on
    parts = Parts(subject)
    circuit = Circuit.named(parts.graph, [(edge.source, edge.target) for edge in record.edges])
    scores = torch.zeros(parts.graph.allowed.shape)
    for edge in record.edges:
        scores[parts.graph.target_numbers[edge.target], parts.graph.source_numbers[edge.source]] = edge.score
    return attribution_graph(parts, circuit, scores, found_on, pair=pair)
