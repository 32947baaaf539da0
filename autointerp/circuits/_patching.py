"""Patching: what replacing a node, or cutting an edge, really does; each patch a row of a batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from autointerp.circuits._anatomised import Parts
from autointerp.circuits._attribution import EdgeScores, both_runs
from autointerp.circuits._graph import Reading, Source, Target, top_edges
from autointerp.circuits._pairs import Prompts, chunks, prompts_of
from autointerp.circuits._task import Task
from autointerp.errors import InputError
from autointerp.models import Batch, Edit, Operation, Patch, sweep
from autointerp.records import Site, SiteKind

_KINDS = {Reading.Q: SiteKind.Q, Reading.K: SiteKind.K, Reading.V: SiteKind.V}
#: Patches whose logits are held at a time.
_PATCHES = 2048


def node_patching(parts: Parts, task: Task, sources: Sequence[int] | None = None) -> Tensor:
    """Activation patching: the change of the metric when a source writes what it writes on the corrupted prompt.

    Returns [pairs, sources] (of those asked for, all by default). Exact: every patch is run.
    """
    numbers = range(len(parts.graph.sources)) if sources is None else sources
    found = torch.zeros(len(task), len(numbers))
    for group in prompts_of(parts.subject, task.pairs):
        for prompts in chunks([group], max(1, _PATCHES // max(1, len(numbers)))):
            count = len(prompts)
            patches = [Patch(row, ()) for row in range(count)]
            patches += [
                Patch(row, (_replaced(parts, parts.graph.sources[number], count + row),))
                for row in range(count)
                for number in numbers
            ]
            values = _metric_of(parts, task, prompts, patches)
            clean, patched = values[:count], values[count:].reshape(count, len(numbers))
            found[prompts.rows] = (patched - clean[:, None]).float().cpu()
    return found


def edge_patching(parts: Parts, task: Task, edges: Tensor) -> EdgeScores:
    """Path patching of single edges (Goldowsky-Dill et al., 2023): the change of the metric when one target reads, of one
    source alone, what that writes on the corrupted prompt. Exact: every patch is run.

    Parameters
    ----------
    edges: bool [targets, sources], which edges to try.
    """
    pairs_of = torch.argwhere(edges & parts.graph.allowed).tolist()
    scores = torch.zeros(len(task), *edges.shape)
    for prompts, clean, corrupted in both_runs(parts, task):
        difference = corrupted.written - clean.written
        # The stream is the sum of what was written and of biases, which the model itself knows best.
        streams = _streams(parts, prompts)
        step = max(1, min(_PATCHES, parts.memory // (4 * difference[0, 0].numel() * 4)) // len(prompts))
        for start in range(0, len(pairs_of), step):
            here = pairs_of[start : start + step]
            patches = [Patch(row, ()) for row in range(len(prompts))]
            for target, source in here:
                one = parts.graph.targets[target]
                edits = _fed(parts, one, streams[_stream_of(parts, one)] + difference[:, source])
                patches += [Patch(row, (edit,)) for row, edit in enumerate(edits)]
            values = _metric_of(parts, task, prompts, patches)
            base = values[: len(prompts)]
            changed = (values[len(prompts) :].reshape(len(here), len(prompts)) - base).float().cpu()
            for (target, source), change in zip(here, changed, strict=True):
                scores[prompts.rows, target, source] = change
    return EdgeScores("path patching", scores)


def rechecked(parts: Parts, task: Task, scores: EdgeScores, count: int) -> EdgeScores:
    """Scores with the `count` largest replaced by the exact effects of these edges.

    What is not tried again is scaled down where that is needed for it to stay below every effect that was found to matter:
    an estimate that was not checked does not pass one that was.
    """
    if count < 1:
        raise InputError(f"a re-check of {count} edges: take one at least")
    graph = parts.graph
    tried = top_edges(graph, scores.mean, min(count, graph.size)).edges
    exact = edge_patching(parts, task, tried)
    found = torch.where(tried, exact.by_pair, scores.by_pair)
    rest, sure = scores.mean.abs()[~tried & graph.allowed], exact.mean.abs()[tried]
    if len(rest) and float(rest.max()) > 0:
        floor = float(torch.quantile(sure, 0.5))
        factor = min(1.0, floor / float(rest.max()))
        found = torch.where(tried, found, found * factor)
    return EdgeScores(f"{scores.method}, {int(tried.sum())} edges re-checked", found)


def _metric_of(parts: Parts, task: Task, prompts: Prompts, patches: Sequence[Patch]) -> Tensor:
    """The metric after each patch; texts are the clean prompts and behind them the corrupted ones."""
    ids = torch.cat([prompts.clean, prompts.corrupted])
    batch = Batch(ids, torch.ones_like(ids, dtype=torch.bool))
    values = []
    clean: Tensor | None = None
    for start in range(0, len(patches), _PATCHES):
        some = patches[start : start + _PATCHES]
        logits = sweep(parts.subject, batch, some)
        if clean is None:
            clean = logits[: len(prompts)]
        rows = torch.tensor([patch.text for patch in some])
        values.append(task.metric.values(logits, prompts.part(rows), clean[rows.to(clean.device)]))
    return torch.cat(values)


def _replaced(parts: Parts, source: Source, text: int) -> Edit:
    """The edit by which a source writes what it writes in another text of the batch."""
    value = torch.tensor(text)
    match source.kind:
        case "head":
            size = parts.layers[source.layer].q.weight.shape[1]
            assert source.head is not None
            part = (source.head * size, (source.head + 1) * size)
            return Edit(parts.site(source.layer, SiteKind.HEAD_OUT), Operation.RESAMPLE, value, part=part)
        case "attention":
            return Edit(parts.site(source.layer, SiteKind.ATTN_OUT), Operation.RESAMPLE, value)
        case "mlp":
            return Edit(parts.site(source.layer, SiteKind.MLP_OUT), Operation.RESAMPLE, value)
    return Edit(parts.site(0, SiteKind.RESID_PRE), Operation.RESAMPLE, value)


def _streams(parts: Parts, prompts: Prompts) -> dict[Site, Tensor]:
    last = parts.graph.layers - 1
    layers = range(parts.graph.layers)
    capture = [parts.site(layer, kind) for layer in layers for kind in (SiteKind.RESID_PRE, SiteKind.ATTN_OUT)]
    seen = parts.subject.run(prompts.clean, capture=[*capture, parts.site(last, SiteKind.RESID_POST)]).sites
    # Under the name of what is computed from it.
    for layer in layers:
        pre = seen[parts.site(layer, SiteKind.RESID_PRE)]
        parallel = parts.graph.shape.parallel
        seen[parts.site(layer, SiteKind.MLP_IN)] = pre if parallel else pre + seen[parts.site(layer, SiteKind.ATTN_OUT)]
    return seen


def _stream_of(parts: Parts, target: Target) -> Site:
    match target.reading:
        case Reading.LOGITS:
            return parts.site(target.layer - 1, SiteKind.RESID_POST)
        case Reading.MLP:
            return parts.site(target.layer, SiteKind.MLP_IN)
    return parts.site(target.layer, SiteKind.RESID_PRE)


def _fed(parts: Parts, target: Target, stream: Tensor) -> list[Edit]:
    """For each prompt the edit by which a target reads another stream, [prompts, tokens, width]."""
    with torch.no_grad():
        if target.reading is Reading.LOGITS:
            values, site, part = parts.final(stream), Site(layer=0, kind=SiteKind.FINAL), None
        elif target.reading is Reading.MLP:
            values, site, part = (
                parts.layers[target.layer].mlp_norm(stream),
                parts.site(target.layer, SiteKind.MLP_IN),
                None,
            )
        else:
            layer, head = parts.layers[target.layer], target.head
            assert head is not None
            projection = layer.projections[_KINDS[target.reading]]
            size = projection.weight.shape[1]
            values = layer.norm(stream) @ projection.weight[head].T
            if projection.bias is not None:
                values = values + projection.bias[head]
            site, part = parts.site(target.layer, _KINDS[target.reading]), (head * size, (head + 1) * size)
    return [Edit(site, Operation.SET, row[None], part=part) for row in values]
