"""Effects of latents and neurons by gradients: what replacing each of them would do to the metric."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from autointerp.circuits._ablation import Ablation
from autointerp.circuits._latent_sites import LatentNode, LatentParts
from autointerp.circuits._latent_values import (
    Change,
    LatentReference,
    Observed,
    chunked,
    logits_under,
    observe,
    one_length,
)
from autointerp.circuits._metrics import slope
from autointerp.circuits._pairs import Prompts
from autointerp.circuits._task import Task
from autointerp.errors import InputError
from autointerp.models import At, Edit, Objective, Operation
from autointerp.records import Site

#: Points of integrated gradients (Marks et al., 2024).
STEPS = 10


class Tally:
    """Sums by key, in memory that grows with the number of different keys."""

    def __init__(self) -> None:
        self.keys = torch.zeros(0, dtype=torch.int64)
        self.sums = torch.zeros(0, dtype=torch.float64)

    def add(self, keys: Tensor, values: Tensor) -> None:
        """Add values, one for each key; keys may occur several times."""
        every, place = torch.cat([self.keys, keys.cpu()]).unique(return_inverse=True)
        sums = torch.zeros(len(every), dtype=torch.float64)
        sums.index_add_(0, place, torch.cat([self.sums, values.double().cpu()]))
        self.keys, self.sums = every, sums


@dataclass(frozen=True, slots=True, eq=False)
class LatentEffects:
    """The effect of every node that differs anywhere on the prompts, in the mean over the pairs; how it was found.

    Attributes
    ----------
    by_position: whether a node is a latent at one token, or one at all tokens together.
    keys, values: of each site in the order of `parts.sites`, [nodes] each. A key is the latent's number, the rest being the one
        behind the last; by position plus the token's number times (latents + 1).
    """

    parts: LatentParts
    method: str
    by_position: bool
    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]

    def __len__(self) -> int:
        return sum(map(len, self.keys))

    def total(self, number: int) -> float:
        """Of all nodes of a site."""
        return float(self.values[number].sum())

    def of(self, nodes: list[LatentNode]) -> Tensor:
        """Of some nodes, [nodes]; 0 for one that is the same on all prompts."""
        found = torch.zeros(len(nodes), dtype=torch.float64)
        for place, node in enumerate(nodes):
            number = self.parts.numbered(node)
            here = self.keys[number] == key_of(node, self.parts.sites[number].size)
            if bool(here.any()):
                found[place] = self.values[number][here][0]
        return found

    def top(self, count: int, *, errors: bool = True) -> list[LatentNode]:
        """The nodes of the largest effects in absolute value, the largest first; `errors`: whether the rests are among them.

        Raises InputError for more nodes than there are, and for effects that are no numbers.
        """
        numbers = torch.cat([torch.full_like(keys, n) for n, keys in enumerate(self.keys)])
        keys, sizes = torch.cat(self.keys), torch.cat(self.values).abs()
        if not bool(torch.isfinite(sizes).all()):
            raise InputError("the effects of the nodes are not all numbers: look at the metric on these prompts")
        if not errors:
            rests = torch.tensor([site.size for site in self.parts.sites])[numbers]
            latent = keys % (rests + 1) != rests
            numbers, keys, sizes = numbers[latent], keys[latent], sizes[latent]
        if not 1 <= count <= len(keys):
            raise InputError(
                f"a circuit of {count} nodes: {len(keys)} differ between the prompts and what they are compared with"
            )
        best = sizes.argsort(descending=True, stable=True)[:count].tolist()
        return [node_of(self.parts, int(numbers[i]), int(keys[i]), by_position=self.by_position) for i in best]


def key_of(node: LatentNode, size: int) -> int:
    """A node as a number among those of its site."""
    return (size if node.feature is None else node.feature) + (node.position or 0) * (size + 1)


def node_of(parts: LatentParts, number: int, key: int, *, by_position: bool) -> LatentNode:
    """The node that a number stands for."""
    site = parts.sites[number]
    position, feature = divmod(key, site.size + 1)
    return LatentNode(
        site.writes.layer,
        site.writes.kind,
        None if feature == site.size else feature,
        position if by_position else None,
    )


def latent_attribution(
    parts: LatentParts,
    task: Task,
    *,
    ablation: Ablation = Ablation.COUNTERFACTUAL,
    by_position: bool = False,
    seed: int = 0,
) -> LatentEffects:
    """Attribution patching of latents (Nanda, 2022; Marks et al., 2024): the change of the metric, to first order, when a
    latent has the strength that stands in its place, or the rest is another.

    Raises InputError for a metric without gradient, and for a site from which nothing is computed that the metric reads.
    """
    tallies = _Tallies(parts, by_position)
    for prompts, clean, changes in differences(parts, task, ablation, by_position=by_position, seed=seed):
        weights = slope(task.metric, clean.logits, prompts, clean.logits)
        grads = gradients(parts, prompts.clean, weights, [site.writes for site in parts.sites])
        for number, (site, moved) in enumerate(zip(parts.sites, changes, strict=True)):
            tallies.add(number, moved, grads[site.writes])
    return tallies.effects("AtP", len(task))


def integrated_latent_attribution(
    parts: LatentParts,
    task: Task,
    *,
    steps: int = STEPS,
    ablation: Ablation = Ablation.COUNTERFACTUAL,
    by_position: bool = False,
    seed: int = 0,
) -> LatentEffects:
    """Integrated gradients on the latents (Marks et al., 2024): the gradient is the mean over points between the two runs.

    All nodes of a site are moved together and those of other sites left to follow, so that the effects of a site add up to that
    of patching it whole as `steps` grows. Points lie in the middle of their intervals. Raises as `latent_attribution` does.
    """
    if steps < 1:
        raise InputError(f"integrated gradients in {steps} steps: take one at least")
    tallies = _Tallies(parts, by_position)
    for prompts, clean, changes in differences(parts, task, ablation, by_position=by_position, seed=seed):
        for number, (site, moved) in enumerate(zip(parts.sites, changes, strict=True)):
            whole = moved.whole(site)
            for step in range(steps):
                grad = _gradient_on_the_way(parts, task, prompts, clean, site.writes, (step + 0.5) / steps * whole)
                tallies.add(number, moved, grad / steps)
    return tallies.effects(f"IG (m={steps})", len(task))


def differences(
    parts: LatentParts, task: Task, ablation: Ablation, *, by_position: bool = False, seed: int = 0
) -> Iterator[tuple[Prompts, Observed, list[Change]]]:
    """The pairs in chunks, the clean run, and for every site the change from it to what stands in its place."""
    if by_position:
        one_length(task)
    reference = LatentReference(parts, task, ablation, seed=seed)
    for prompts in chunked(parts, task):
        clean, there = observe(parts, prompts.clean), reference.values(prompts)
        yield prompts, clean, [reference.change(n, here, there) for n, here in enumerate(clean.sites)]


def gradients(
    parts: LatentParts, ids: Tensor, weights: Tensor, capture: list[Site], edits: tuple[Edit, ...] = ()
) -> dict[Site, Tensor]:
    """Of a weighted sum of the logits after each prompt, at what sites write, [prompts, tokens, width] each."""
    objective = Objective(weights[:, None, :], positions=At((-1,)))
    run = parts.subject.run(ids, capture=capture, edits=edits, grad_of=objective)
    return {site: grad.float() for site, grad in run.grads.items()}


def products(parts: LatentParts, number: int, moved: Change, gradient: Tensor, *, by_position: bool) -> Tally:
    """Change times gradient [prompts, tokens, width] of every node of a site, summed over the prompts."""
    site, tokens, found = parts.sites[number], moved.shape[1], Tally()
    effects = moved.amounts * site.along(moved.cells, moved.features, gradient.flatten(0, 1))
    if by_position:
        found.add(moved.features + moved.cells % tokens * (site.size + 1), effects)
    else:
        there = torch.bincount(moved.features, minlength=site.size).nonzero().flatten()
        found.add(there, torch.bincount(moved.features, effects.double(), minlength=site.size)[there])
    if moved.rest is not None:
        places = (moved.rest != 0).any(2).any(0).nonzero().flatten()
        rests = (moved.rest * gradient).sum((0, 2))[places]
        found.add(site.size + (places * (site.size + 1) if by_position else places * 0), rests)
    return found


class _Tallies:
    """One for each site, and whether any gradient reached it."""

    def __init__(self, parts: LatentParts, by_position: bool) -> None:
        self._parts, self._by_position = parts, by_position
        self._own = [Tally() for _ in parts.sites]
        self._reached = [False] * len(parts.sites)

    def add(self, number: int, moved: Change, gradient: Tensor) -> None:
        self._reached[number] |= bool((gradient != 0).any())
        found = products(self._parts, number, moved, gradient, by_position=self._by_position)
        self._own[number].add(found.keys, found.sums)

    def effects(self, method: str, pairs: int) -> LatentEffects:
        for site, reached in zip(self._parts.sites, self._reached, strict=True):
            if not reached:
                raise InputError(
                    f"nothing that the metric reads is computed from {site.writes}, where {site.name} writes: "
                    "cut the model at an earlier site"
                )
        keys = tuple(tally.keys for tally in self._own)
        values = tuple(tally.sums / pairs for tally in self._own)
        return LatentEffects(self._parts, method, self._by_position, keys, values)


def _gradient_on_the_way(
    parts: LatentParts, task: Task, prompts: Prompts, clean: Observed, site: Site, shift: Tensor
) -> Tensor:
    """The metric's gradient at a site whose value was shifted, [prompts, tokens, width]."""
    edits = (Edit(site, Operation.ADD, shift),)
    logits = clean.logits if task.metric.linear else logits_under(parts, prompts.clean, edits)
    weights = slope(task.metric, logits, prompts, clean.logits)
    return gradients(parts, prompts.clean, weights, [site], edits)[site]
