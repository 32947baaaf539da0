"""How much of the model's behaviour some latents keep, the others being ablated."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from autointerp.circuits._ablation import Ablation
from autointerp.circuits._faithful import Runs, interval
from autointerp.circuits._latent_attribution import differences, key_of
from autointerp.circuits._latent_sites import LatentNode, LatentParts
from autointerp.circuits._latent_values import (
    Change,
    LatentReference,
    Values,
    chunked,
    logits_under,
    observe,
    one_length,
    values_of,
)
from autointerp.circuits._pairs import Prompts
from autointerp.circuits._task import Task
from autointerp.errors import InputError
from autointerp.models import Edit, Operation
from autointerp.records import Score, ScoreResult, Unscored


def latent_faithfulness(
    parts: LatentParts,
    task: Task,
    nodes: Sequence[LatentNode],
    *,
    ablation: Ablation = Ablation.COUNTERFACTUAL,
    errors: bool = True,
    controls: int = 5,
    seed: int = 0,
) -> ScoreResult:
    """(m(C) − m(∅)) / (m(M) − m(∅)) of a set of nodes: all other latents of the sites are ablated, and with them, unless
    `errors`, the rests that are not among the nodes. What is behind a site follows, so a later latent has the strength that the
    earlier ones leave it. In m(∅) all latents and rests are ablated.

    Controls are the mean of as many latents of the same sites drawn at random from those that differ on the prompts, and,
    where the rests are kept, these alone. Raises InputError for a node that is not there.
    """
    name = "faithfulness" if ablation is Ablation.COUNTERFACTUAL else f"faithfulness, {ablation} ablation"
    name += ", errors kept" if errors and any(site.has_rest for site in parts.sites) else ""
    own = _Kept(parts, nodes, errors=errors)
    try:
        drawn = own.at_random(_universe(parts, task, ablation, own.by_position, seed), controls, seed=seed)
        alone = [_Kept(parts, [], errors=True)] if errors and any(site.has_rest for site in parts.sites) else []
        runs = run_kept(parts, task, [own, *alone, *drawn], ablation, seed=seed)
    except InputError as error:
        return Unscored(name=name, reason=str(error))
    if fault := runs.fault():
        return Unscored(name=name, reason=fault)
    shares = runs.shares()
    control = {"errors alone": float(shares[1])} if alone else {}
    if drawn:
        control["random latents"] = float(shares[1 + len(alone) :].mean())
    ci = interval(lambda pairs: float(runs.shares(pairs)[0]), len(task), seed=seed)
    if not all(map(math.isfinite, ci)):
        return Unscored(name=name, reason=f"{len(task)} pairs are too few for an interval: give more")
    also = {
        "metric of the circuit": float(runs.circuits[0].mean()),
        "metric of the model": float(runs.whole.mean()),
        "metric of nothing": float(runs.nothing.mean()),
    }
    return Score(name=name, value=float(shares[0]), ci=ci, n=len(task), control=control, also=also)


class _Kept:
    """Which nodes of each site keep what they have in the run, as sorted numbers; `errors`: whether all rests do."""

    def __init__(self, parts: LatentParts, nodes: Sequence[LatentNode], *, errors: bool) -> None:
        placed = {node.position is not None for node in nodes}
        if len(placed) > 1:
            raise InputError("some nodes are at one token and others at all: give nodes of one kind")
        self.parts, self.errors, self.by_position = parts, errors, placed == {True}
        numbers: list[list[int]] = [[] for _ in parts.sites]
        for node in nodes:
            number = parts.numbered(node)
            numbers[number].append(key_of(node, parts.sites[number].size))
        self.keys = [torch.tensor(sorted(set(own)), dtype=torch.int64) for own in numbers]

    def cut(self, number: int, moved: Change) -> Tensor:
        """What is added at a site to ablate all that is not kept there, [prompts, tokens, width]."""
        site, tokens = self.parts.sites[number], moved.shape[1]
        places = torch.arange(tokens) * (site.size + 1) if self.by_position else torch.zeros(tokens, dtype=torch.int64)
        keys = self.keys[number].to(moved.cells.device)
        places = places.to(moved.cells.device)
        gone = ~torch.isin(moved.features + places[moved.cells % tokens], keys)
        added = site.written(moved.only(gone), moved.shape[0] * tokens).view(*moved.shape, -1)
        if moved.rest is None or self.errors:
            return added
        return added + moved.rest * (~torch.isin(places + site.size, keys))[None, :, None]

    def at_random(self, universe: list[Tensor], count: int, *, seed: int) -> list[_Kept]:
        """As many latents of each site, drawn from some; the rests that are kept stay."""
        generator = torch.Generator().manual_seed(seed)
        found = []
        for _ in range(count):
            drawn = _Kept(self.parts, [], errors=self.errors)
            drawn.by_position = self.by_position
            for number, (site, keys) in enumerate(zip(self.parts.sites, self.keys, strict=True)):
                latents = keys[keys % (site.size + 1) != site.size]
                some = universe[number][torch.randperm(len(universe[number]), generator=generator)[: len(latents)]]
                drawn.keys[number] = torch.cat([keys[keys % (site.size + 1) == site.size], some])
            found.append(drawn)
        return found


def _universe(parts: LatentParts, task: Task, ablation: Ablation, by_position: bool, seed: int) -> list[Tensor]:
    """The numbers of the latents of each site that differ anywhere between the clean run and what stands in its place."""
    found = [torch.zeros(0, dtype=torch.int64) for _ in parts.sites]
    for _, _, changes in differences(parts, task, ablation, by_position=by_position, seed=seed):
        for number, (site, moved) in enumerate(zip(parts.sites, changes, strict=True)):
            keys = moved.features
            if by_position:
                keys = keys + moved.cells % moved.shape[1] * (site.size + 1)
            found[number] = torch.cat([found[number], keys.cpu()]).unique()
    return found


def run_kept(parts: LatentParts, task: Task, kept: Sequence[_Kept], ablation: Ablation, *, seed: int = 0) -> Runs:
    """The metric of the model, with everything ablated, and with some nodes kept."""
    if any(one.by_position for one in kept):
        one_length(task)
    everything = [_Kept(parts, [], errors=False), *kept]
    reference = LatentReference(parts, task, ablation, seed=seed)
    whole, found = torch.zeros(len(task)), torch.zeros(len(everything), len(task))
    for prompts in chunked(parts, task, copies=3):
        clean = observe(parts, prompts.clean).logits
        there = reference.values(prompts)
        whole[prompts.rows] = task.metric.values(clean, prompts, clean).float().cpu()
        for place, one in enumerate(everything):
            logits = _logits(parts, prompts, one, reference, there)
            found[place, prompts.rows] = task.metric.values(logits, prompts, clean).float().cpu()
    return Runs(whole, found[0], found[1:])


def _logits(
    parts: LatentParts, prompts: Prompts, kept: _Kept, reference: LatentReference, there: tuple[Values, ...] | None
) -> Tensor:
    """What follows each prompt where only some nodes are kept: a run for each site, as it sees what those before it left."""
    edits: list[Edit] = []
    for number, site in enumerate(parts.sites):
        run = parts.subject.run(prompts.clean, capture={site.reads, site.writes}, edits=edits)
        moved = reference.change(number, values_of(site, run.sites), there)
        edits.append(Edit(site.writes, Operation.ADD, kept.cut(number, moved)))
    return logits_under(parts, prompts.clean, edits)


def metric_range(parts: LatentParts, task: Task) -> str | None:
    """Why the metric says nothing about the task, being the same on both prompts or no number; None where it does."""
    clean, corrupted = torch.zeros(len(task)), torch.zeros(len(task))
    for prompts in chunked(parts, task):
        likely = logits_under(parts, prompts.clean, ())
        for ids, values in ((prompts.clean, clean), (prompts.corrupted, corrupted)):
            values[prompts.rows] = task.metric.values(logits_under(parts, ids, ()), prompts, likely).float().cpu()
    fault = Runs(clean, corrupted, clean[None]).fault()
    if fault is None or "not a number" in fault:
        return fault
    return (
        f"the metric {task.metric.name} is {float(clean.mean()):.4g} on the clean prompts of {task.name} and the same on the "
        "corrupted ones: give pairs, or a metric, that the model tells apart"
    )


def mean_interval(values: Tensor, *, seed: int = 0) -> tuple[float, float]:
    """The 95% bootstrap interval of the mean of some values, one for each pair."""
    return interval(lambda pairs: float(values[pairs].mean()), len(values), seed=seed)
