"""Edges between latents: how much of what a node does for the metric goes through a node at a later site."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from autointerp.circuits._ablation import Ablation
from autointerp.circuits._latent_attribution import Tally, differences, gradients, key_of, node_of, products
from autointerp.circuits._latent_sites import LatentNode, LatentParts, LatentSite
from autointerp.circuits._latent_values import Change, Observed, Values
from autointerp.circuits._metrics import slope
from autointerp.circuits._pairs import Prompts
from autointerp.circuits._task import Task
from autointerp.errors import InputError
from autointerp.models import Edit, Objective, Operation


@dataclass(frozen=True, slots=True)
class LatentEdge:
    """From one node to a later one, or to the metric itself where `target` is None; `effect` in units of the metric."""

    source: LatentNode
    target: LatentNode | None
    effect: float


def latent_edges(
    parts: LatentParts,
    task: Task,
    targets: Sequence[LatentNode],
    *,
    sources: Sequence[LatentNode] | None = None,
    ablation: Ablation = Ablation.COUNTERFACTUAL,
    seed: int = 0,
) -> list[LatentEdge]:
    """Edges into some nodes and into the metric (Marks et al., 2024), the largest first, in the mean over the pairs.

    The effect of an edge is d metric / d target · d target / d source · change of the source, at the clean run: the part of
    the source's effect, to first order, that goes through the target. Values at the sites between are held, so an edge is
    what goes past them, and the edges from a node to all nodes and to the metric add up to its effect by attribution
    patching. A target that is not active on the clean prompt has no slope there.

    Parameters
    ----------
    targets: each of which takes a backward pass; what is held grows with their number, not with that of all latents.
    sources: from which nodes; None for all that differ, by position where the targets are.

    Raises InputError for a node that is not there, and for a dictionary that cannot be differentiated.
    """
    by_position = any(node.position is not None for node in (*targets, *(sources or ())))
    into = [(node, parts.numbered(node)) for node in targets]
    tallies: dict[tuple[LatentNode | None, int], Tally] = {}

    def count(target: LatentNode | None, number: int, moved: Change, gradient: Tensor) -> None:
        found = products(parts, number, moved, gradient, by_position=by_position)
        tallies.setdefault((target, number), Tally()).add(found.keys, found.sums)

    for prompts, clean, changes in differences(parts, task, ablation, by_position=by_position, seed=seed):
        if sources is not None:
            changes = [_of(parts, number, moved, sources) for number, moved in enumerate(changes)]
        weights = slope(task.metric, clean.logits, prompts, clean.logits)
        run = _Run(parts, prompts, clean, weights)
        for number, gradient in run.straight().items():
            count(None, number, changes[number], gradient)
        for at in range(len(parts.sites)):
            own = [node for node, number in into if number == at]
            for node, upstream in run.through(at, own):
                for number, gradient in upstream.items():
                    count(node, number, changes[number], gradient)
    edges = []
    for (target, number), tally in tallies.items():
        keys = tally.keys
        kept = torch.ones_like(keys, dtype=torch.bool) if sources is None else _among(parts, number, keys, sources)
        for key, total in zip(keys[kept].tolist(), tally.sums[kept].tolist(), strict=True):
            source = node_of(parts, number, key, by_position=by_position)
            edges.append(LatentEdge(source, target, total / len(task)))
    return sorted((edge for edge in edges if edge.effect), key=lambda edge: -abs(edge.effect))


def _of(parts: LatentParts, number: int, moved: Change, nodes: Sequence[LatentNode]) -> Change:
    """The part of a change that is about latents of some nodes; rests are few and stay."""
    own = [n.feature for n in nodes if n.feature is not None and parts.numbered(n) == number]
    some = moved.only(torch.isin(moved.features, torch.tensor(own, dtype=torch.int64, device=moved.features.device)))
    return Change(some.rows, some.features, some.values, moved.rest, moved.shape)


def _among(parts: LatentParts, number: int, keys: Tensor, nodes: Sequence[LatentNode]) -> Tensor:
    size = parts.sites[number].size
    own = [key_of(node, size) for node in nodes if parts.numbered(node) == number]
    return torch.isin(keys, torch.tensor(own, dtype=torch.int64))


class _Run:
    """Gradients at the clean run of some prompts, with the values at sites held."""

    def __init__(self, parts: LatentParts, prompts: Prompts, clean: Observed, weights: Tensor) -> None:
        self.parts, self.prompts, self.weights = parts, prompts, weights
        ends = {site.writes for site in parts.sites}
        seen = parts.subject.run(prompts.clean, capture=ends).sites
        self.held = {site: Edit(site, Operation.SET, value) for site, value in seen.items()}
        self.clean = clean

    def straight(self) -> dict[int, Tensor]:
        """At every site, past all later ones, to the metric."""
        sites = [site.writes for site in self.parts.sites]
        found = gradients(self.parts, self.prompts.clean, self.weights, sites, tuple(self.held.values()))
        return {number: found[site] for number, site in enumerate(sites)}

    def through(self, at: int, nodes: Sequence[LatentNode]) -> list[tuple[LatentNode, dict[int, Tensor]]]:
        """Through each of some nodes of one site, at the sites before it."""
        parts, site = self.parts, self.parts.sites[at]
        before = [n for n, other in enumerate(parts.sites) if parts.order[other.writes] < parts.order[site.writes]]
        if not nodes or not before:
            return []
        (gradient,) = gradients(parts, self.prompts.clean, self.weights, [site.writes]).values()
        objectives = [_objectives(site, self.clean.sites[at], gradient, node) for node in nodes]
        sites = [parts.sites[n].writes for n in before]
        run = parts.subject.run(
            self.prompts.clean,
            capture=sites,
            edits=tuple(self.held[one] for one in sites),
            grad_of=[one for several in objectives for one in several],
        )
        found, first = [], 0
        for node, several in zip(nodes, objectives, strict=True):
            rows = slice(first, first + len(several))
            found.append((node, {n: run.grads[one][rows].float().sum(0) for n, one in zip(before, sites, strict=True)}))
            first = rows.stop
        return found


def _objectives(site: LatentSite, clean: Values, gradient: Tensor, node: LatentNode) -> list[Objective]:
    """What a node does for the metric, to first order, as weights on what its site reads and, for the rest, writes."""
    prompts, tokens, _ = clean.read.shape
    if node.position is not None:
        here = torch.zeros(tokens, device=gradient.device)
        here[node.position] = 1
        gradient = gradient * here[None, :, None]
    flat = gradient.flatten(0, 1)
    with torch.enable_grad():
        point = clean.read.flatten(0, 1).detach().clone().requires_grad_()
        if node.feature is None:
            acts = site.strengths(point)
            active, number = acts.values, -(site.written(acts, len(point)) * flat).sum()
        else:
            cells = torch.arange(len(flat), device=flat.device)
            active = site.strength_of(point, node.feature)
            number = (active * site.along(cells, torch.full_like(cells, node.feature), flat)).sum()
        if not active.requires_grad and bool((active != 0).any()):
            raise InputError(f"{site.name} cannot be differentiated, so it has no edges: give a dictionary of weights")
        slopes = torch.zeros_like(point)
        if number.requires_grad:
            (slopes,) = torch.autograd.grad(number, point)
    found = [Objective(slopes.view(prompts, tokens, -1), site.reads)]
    return [*found, Objective(gradient, site.writes)] if node.feature is None else found
