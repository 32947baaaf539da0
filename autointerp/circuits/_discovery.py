"""Finding circuits without gradients: ACDC, information-flow routes, and the random ranking that all are compared with."""

from __future__ import annotations

import torch
from torch import Tensor

from autointerp.circuits._ablation import Ablation
from autointerp.circuits._anatomised import Parts
from autointerp.circuits._attribution import EdgeScores
from autointerp.circuits._edge_run import metric_of_circuits
from autointerp.circuits._graph import Circuit, Reading
from autointerp.circuits._pairs import chunks, prompts_of
from autointerp.circuits._patching import _stream_of, _streams
from autointerp.circuits._task import Task
from autointerp.errors import InputError

#: ACDC runs the model once an edge.
MOST = 3000
#: Edges that are tried at once, each cut by itself.
_TOGETHER = 16


def acdc(
    parts: Parts, task: Task, threshold: float, *, ablation: Ablation = Ablation.COUNTERFACTUAL, most: int = MOST
) -> Circuit:
    """Automatic circuit discovery (Conmy et al., 2023): from the logits back, edges are cut for good that hardly matter.

    An edge goes where the metric, in the mean over the pairs, changes by less than `threshold` when it is cut besides
    those that went before. Edges are tried several at a time; of those tried together the ones up to the first that goes
    are settled, as in the sequential procedure.

    Raises InputError for a model of more than `most` edges.
    """
    graph = parts.graph
    if graph.size > most:
        raise InputError(
            f"ACDC runs the model for each of {graph.size} edges, and {most} are allowed: use EAP-IG first"
        )
    edges = graph.allowed.clone()
    base = _mean(parts, task, [edges], ablation)[0]
    for target in range(len(graph.targets) - 1, -1, -1):
        readers = [n for n in range(len(graph.sources)) if target in graph.inputs_of(n)]
        if graph.targets[target].reading is not Reading.LOGITS and not bool(edges[:, readers].any()):
            edges[target] = False
            continue
        waiting = [int(n) for n in torch.argwhere(edges[target]).flatten().flip(0)]
        while waiting:
            tried = []
            for source in waiting[:_TOGETHER]:
                without = edges.clone()
                without[target, source] = False
                tried.append(without)
            values = _mean(parts, task, tried, ablation)
            gone = next((i for i, value in enumerate(values) if abs(value - base) < threshold), None)
            if gone is None:
                waiting = waiting[len(tried) :]
                continue
            edges, base = tried[gone], values[gone]
            waiting = waiting[gone + 1 :]
    return Circuit(graph, edges)


def flow_routes(parts: Parts, task: Task) -> EdgeScores:
    """Information-flow routes (Ferrando & Voita, 2024): how much of what a target reads a source is, from the logits back.

    The share of a source in a sum is how much nearer it brings the sum, max(‖x‖₁ − ‖x − u‖₁, 0), over all sources. It is
    taken at the last token for the logits and in the mean over tokens elsewhere, and weighted by how much of the logits the
    target's own part is. No counterfactual is needed: it says what flows, not what changes with the answer.
    """
    graph = parts.graph
    scores = torch.zeros(len(task), *graph.allowed.shape)
    for group in prompts_of(parts.subject, task.pairs):
        for prompts in chunks([group], parts.rows(group.clean.shape[1], 3)):
            written, streams = parts.observe(prompts.clean).written, _streams(parts, prompts)
            flow = torch.zeros(len(prompts), *graph.allowed.shape, device=written.device)
            reach = torch.zeros(len(prompts), len(graph.sources), device=written.device)
            shares: dict[object, Tensor] = {}
            for number in range(len(graph.targets) - 1, -1, -1):
                one = graph.targets[number]
                count = int(graph.allowed[number].sum())
                place = _stream_of(parts, one)
                if place not in shares:
                    stream = streams[place][:, None]
                    nearer = stream.abs().sum(-1) - (stream - written[:, :count]).abs().sum(-1)
                    share = nearer.clamp(min=0)
                    share = share / share.sum(1, keepdim=True).clamp(min=1e-12)
                    shares[place] = share[..., -1] if one.reading is Reading.LOGITS else share.mean(-1)
                readers = [n for n in range(len(graph.sources)) if number in graph.inputs_of(n)]
                weight = 1.0 if one.reading is Reading.LOGITS else reach[:, readers].sum(1, keepdim=True)
                flow[:, number, :count] = weight * shares[place]
                # Query, key and value each lead on; the three together are one reading of the stream.
                part = 1.0 if one.reading in (Reading.LOGITS, Reading.MLP) else 1 / 3
                reach[:, :count] += part * flow[:, number, :count]
            scores[prompts.rows] = flow.float().cpu()
    return EdgeScores("information-flow routes", scores)


def random_scores(parts: Parts, pairs: int, *, seed: int) -> EdgeScores:
    """A ranking of all edges at random: what every method has to beat."""
    generator = torch.Generator().manual_seed(seed)
    row = torch.rand(parts.graph.allowed.shape, generator=generator) * parts.graph.allowed
    return EdgeScores("random", row.expand(pairs, -1, -1))


def _mean(parts: Parts, task: Task, edges: list[Tensor], ablation: Ablation) -> list[float]:
    circuits = [Circuit(parts.graph, one) for one in edges]
    values: list[float] = metric_of_circuits(parts, task, circuits, ablation=ablation).mean(1).tolist()
    return values
