"""Attribution: what a gradient says that cutting an edge, or replacing a node, would do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from autointerp.circuits._anatomised import Outputs, Parts, Slopes
from autointerp.circuits._metrics import slope
from autointerp.circuits._pairs import Prompts, chunks, prompts_of
from autointerp.circuits._products import Products
from autointerp.circuits._task import Task
from autointerp.errors import InputError
from autointerp.models import Edit, Operation
from autointerp.records import Site, SiteKind

#: How many points integrated gradients take along the way (Hanna et al., 2024).
STEPS = 5


@dataclass(frozen=True, slots=True, eq=False)
class EdgeScores:
    """What cutting each edge does to the metric: [pairs, targets, sources], 0 where there is no edge; how it was found."""

    method: str
    by_pair: Tensor

    @property
    def mean(self) -> Tensor:
        """Over the pairs, [targets, sources]."""
        return self.by_pair.mean(0)


def edge_attribution(parts: Parts, task: Task) -> EdgeScores:
    """Edge attribution patching (Syed et al., 2023): difference of the source's output times the gradient at the target.

    The change of the metric, to first order, when the target reads what the source writes on the corrupted prompt.
    """
    return EdgeScores("EAP", _edges(parts, task, None))


def integrated_edge_attribution(parts: Parts, task: Task, *, steps: int = STEPS) -> EdgeScores:
    """EAP-IG, inputs (Hanna et al., 2024): the gradient is the mean over `steps` embeddings between corrupted and clean."""
    if steps < 1:
        raise InputError(f"integrated gradients in {steps} steps: take one at least")
    return EdgeScores(f"EAP-IG (inputs, m={steps})", _edges(parts, task, steps))


def node_attribution(parts: Parts, task: Task) -> Tensor:
    """Attribution patching (Nanda, 2022; Kramár et al., 2024): by pair and source, [pairs, sources].

    The change of the metric, to first order, when a source writes what it writes on the corrupted prompt.
    """
    rows = torch.zeros(len(task), len(parts.graph.sources))
    for prompts, found in _node_products(parts, task):
        rows[prompts.rows] = found.sum(2)
    return rows


def node_attribution_by_token(parts: Parts, task: Task) -> Tensor:
    """The same by token, [pairs, sources, tokens]. Raises InputError for prompts of several lengths."""
    if len({len(pair.clean) for pair in task.pairs}) > 1:
        raise InputError("prompts of several lengths have no tokens in common: give those of one length")
    return torch.cat([found for _, found in _node_products(parts, task)])


def _node_products(parts: Parts, task: Task) -> Iterator[tuple[Prompts, Tensor]]:
    for prompts, clean, corrupted in both_runs(parts, task):
        difference = corrupted.written - clean.written
        for slopes in _slopes(parts, task, prompts, clean, corrupted, None):
            yield prompts, (difference * slopes.of_sources()).sum(3).float().cpu()


def both_runs(parts: Parts, task: Task, copies: int = 3) -> Iterator[tuple[Prompts, Outputs, Outputs]]:
    """The pairs in chunks that fit into memory, with what all sources write on both prompts."""
    for group in prompts_of(parts.subject, task.pairs):
        for prompts in chunks([group], parts.rows(group.clean.shape[1], copies)):
            # Together they cost less than one after the other.
            yield prompts, *parts.observe(torch.cat([prompts.clean, prompts.corrupted])).halves()


def _edges(parts: Parts, task: Task, steps: int | None) -> Tensor:
    graph = parts.graph
    scores = torch.zeros(len(task), *graph.allowed.shape)
    for prompts, clean, corrupted in both_runs(parts, task):
        difference = corrupted.written - clean.written
        products = Products(parts, difference)
        for slopes in _slopes(parts, task, prompts, clean, corrupted, steps):
            products.add(slopes)
        scores[prompts.rows] = products.table().float().cpu() / (steps or 1)
    return scores


def _slopes(
    parts: Parts, task: Task, prompts: Prompts, clean: Outputs, corrupted: Outputs, steps: int | None
) -> Iterator[Slopes]:
    """The gradients at the clean run, or at points between the two; as many points in one run as fit into memory."""
    if steps is None:
        yield parts.slopes(prompts.clean, slope(task.metric, clean.logits, prompts, clean.logits))
        return
    start, end = corrupted.written[:, 0], clean.written[:, 0]
    together = max(1, parts.rows_with_gradients(prompts.clean.shape[1]) // len(prompts))
    for first in range(1, steps + 1, together):
        points = [start + step / steps * (end - start) for step in range(first, min(first + together, steps + 1))]
        ids, embedded = prompts.clean.repeat(len(points), 1), torch.cat(points)
        if task.metric.linear:
            logits = [clean.logits] * len(points)
        else:
            logits = list(_logits_from(parts, ids, embedded).split(len(prompts)))
        weights = torch.cat([slope(task.metric, each, prompts, clean.logits) for each in logits])
        yield parts.slopes(ids, weights, embedded)


def _logits_from(parts: Parts, ids: Tensor, embedded: Tensor) -> Tensor:
    return parts.logits(ids, [Edit(Site(layer=0, kind=SiteKind.RESID_PRE), Operation.SET, embedded)])
