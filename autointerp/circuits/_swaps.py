"""Interchangeability: components are one where exchanging them does less than exchanging either with others."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import log

import torch
from torch import Tensor

from autointerp.circuits._anatomised import Parts
from autointerp.circuits._graph import Source
from autointerp.circuits._pairs import prompts_of
from autointerp.circuits._task import Task
from autointerp.errors import InputError
from autointerp.models import Batch, Edit, Operation, Patch, sweep
from autointerp.records import Site, SiteKind


def swap_distances(parts: Parts, task: Task, names: Sequence[str]) -> Tensor:
    """d_ij = mean √JSD(p, p with i and j swapped) over the clean prompts, [components, components].

    p is the distribution of the next token; the divergence is in bits, so that d is between 0 and 1. Two heads exchange the
    attention patterns that they have in the clean run; MLPs, and layers whose heads cannot be told apart, exchange what they
    write there. Raises InputError for components of different kinds, which cannot stand in for each other.
    """
    sources = [parts.graph.sources[parts.graph.source_numbers[name]] for name in names]
    if len({source.kind for source in sources}) > 1:
        raise InputError(f"components of several kinds are not swapped: {', '.join(names)}")
    found = torch.zeros(len(names), len(names), dtype=torch.float64)
    if len(names) < 2:
        return found
    sites = {name: _site(parts, source) for name, source in zip(names, sources, strict=True)}
    couples = list(combinations(range(len(names)), 2))
    for prompts in prompts_of(parts.subject, task.pairs):
        run = parts.subject.run(prompts.clean, capture=list(set(sites.values())), logits=True)
        assert run.logits is not None
        before, seen = run.logits[:, -1].double().softmax(1), [run.sites[sites[name]] for name in names]
        batch = Batch(prompts.clean, torch.ones_like(prompts.clean, dtype=torch.bool))
        for i, j in couples:
            patches = [
                Patch(
                    row,
                    (
                        _given(sources[i], sites[names[i]], sources[j], seen[j][row]),
                        _given(sources[j], sites[names[j]], sources[i], seen[i][row]),
                    ),
                )
                for row in range(len(prompts))
            ]
            after = sweep(parts.subject, batch, patches).to(before).softmax(1)
            distance = float(_divergence(before, after).sqrt().sum())
            found[i, j] += distance
            found[j, i] += distance
    return found / len(task)


def swap_silhouettes(distances: Tensor, groups: Sequence[int]) -> list[float]:
    """How well each component fits its group: s_i = (b_i − a_i) / max(a_i, b_i), from -1 to 1 (Rousseeuw, 1987).

    a_i is the mean swap distance of i to the others of its group, b_i the least mean distance to the components of another
    group. A component alone in its group, or without another group, has 0. As a test of claimed roles: functional
    interchangeability, as the 2026 study of the pitfalls of agents in interpretability proposes it.
    """
    found = []
    for i, own in enumerate(groups):
        mates = [j for j, group in enumerate(groups) if group == own and j != i]
        others = {group: [j for j, g in enumerate(groups) if g == group] for group in groups if group != own}
        if not mates or not others:
            found.append(0.0)
            continue
        within = float(distances[i, mates].mean())
        across = min(float(distances[i, members].mean()) for members in others.values())
        largest = max(within, across)
        found.append((across - within) / largest if largest > 0 else 0.0)
    return found


def _site(parts: Parts, source: Source) -> Site:
    kinds = {"head": SiteKind.PATTERN, "attention": SiteKind.ATTN_OUT, "mlp": SiteKind.MLP_OUT}
    return parts.site(source.layer, kinds[source.kind])


def _given(source: Source, site: Site, other: Source, seen: Tensor) -> Edit:
    """The edit by which a source has what another one had in one text."""
    if source.kind == "head":
        head, from_ = source.head or 0, other.head or 0
        return Edit(site, Operation.SET, seen[None, from_ : from_ + 1], part=(head, head + 1))
    return Edit(site, Operation.SET, seen[None])


def _divergence(p: Tensor, q: Tensor) -> Tensor:
    """The Jensen-Shannon divergence of distributions [prompts, vocabulary] in bits, [prompts]."""
    mean = (p + q) / 2

    def against(one: Tensor) -> Tensor:
        return torch.where(one > 0, one * (one.clamp(min=1e-300).log() - mean.clamp(min=1e-300).log()), 0.0).sum(1)

    return ((against(p) + against(q)) / (2 * log(2))).clamp(0, 1)
