"""Tests that can refute the role of a component: something ideal in its place, something wrong beside it as the control."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from autointerp.circuits._anatomised import Parts
from autointerp.circuits._attribution import both_runs
from autointerp.circuits._graph import Source
from autointerp.circuits._mechanisms import MATTERS, Mechanism, _answer_places
from autointerp.circuits._pairs import Prompts, prompts_of
from autointerp.circuits._patching import node_patching
from autointerp.circuits._task import Task
from autointerp.errors import InputError
from autointerp.models import Batch, Edit, Operation, Patch, sweep
from autointerp.records import Site, SiteKind

#: Other contexts that each prompt is cut into: of eight neighbouring tokens one at a time keeps its own.
_CONTEXTS = 8
_FINAL = Site(layer=0, kind=SiteKind.FINAL)

#: For every token of some prompts which one is attended to, int64 [prompts, tokens]; -1 where a role says nothing.
Places = Callable[[Prompts], Tensor]


@dataclass(frozen=True, slots=True)
class Replaced:
    """What a replacement did.

    Attributes
    ----------
    held: the share of the effect of a meaningless replacement that the role's own undoes; None where that has no effect.
    beside: the same for the control, which is as sharp as the role's own and wrong; None where there is none.
    effect: what the meaningless replacement does to the metric.
    """

    held: float | None
    beside: float | None
    effect: float


def places_of(parts: Parts, mechanism: Mechanism) -> Places:
    """Where a mechanism attends to on the clean prompts of a task."""
    return lambda prompts: mechanism.attended(prompts.clean, parts.subject.strings)


def answer_places(prompts: Prompts) -> Tensor:
    """Where a mover attends to: from the last token to where the answer stood last."""
    return _answer_places(prompts)


class PatternTrials:
    """One task on which ideal patterns are put in the place of heads' own; what all these trials share is run once."""

    def __init__(self, parts: Parts, task: Task) -> None:
        self.parts, self.task = parts, task

    @cached_property
    def _shared(self) -> list[tuple[Prompts, Tensor, dict[Site, Tensor]]]:
        """By length of prompt the pairs, the logits of the clean ones, and the patterns of all layers."""
        found = []
        for prompts in prompts_of(self.parts.subject, self.task.pairs):
            sites = [self.parts.site(layer, SiteKind.PATTERN) for layer in range(self.parts.graph.layers)]
            run = self.parts.subject.run(prompts.clean, capture=sites, logits=True)
            assert run.logits is not None
            found.append((prompts, run.logits[:, -1], run.sites))
        return found

    @cached_property
    def _corrupted(self) -> float:
        """The mean metric of the corrupted prompts."""
        return self._mean([self.parts.logits(prompts.corrupted) for prompts, _, _ in self._shared])

    def replaced(self, source: Source, places: Places) -> Replaced:
        """Put a role's ideal pattern in a head's place: which share of the effect of an even pattern does it undo?

        The control attends as sharply one token beside: to the token before the one that the role names, or the one after
        it where that would be BOS. Tokens of which the role says nothing keep the head's own attention in all of them.
        """
        site, head = self.parts.site(source.layer, SiteKind.PATTERN), source.head or 0
        after: list[list[Tensor]] = [[], [], []]
        for prompts, _, patterns in self._shared:
            own = patterns[site][:, head]
            where = places(prompts).to(own.device)
            there = (where >= 0)[..., None]
            even = torch.ones_like(own[0]).tril()
            even = even / even.sum(1, keepdim=True)
            instead = [
                torch.where(there, pattern, own)
                for pattern in (_one_hot(where, own), even, _one_hot(_beside(where), own))
            ]
            patches = [
                Patch(row, (Edit(site, Operation.SET, pattern[row, None, None], part=(head, head + 1)),))
                for pattern in instead
                for row in range(len(prompts))
            ]
            batch = Batch(prompts.clean, torch.ones_like(prompts.clean, dtype=torch.bool))
            logits = sweep(self.parts.subject, batch, patches).unflatten(0, (3, len(prompts)))
            for number, one in enumerate(logits):
                after[number].append(one)
        ideal, spread, beside = map(self._mean, after)
        whole = self._mean([clean for _, clean, _ in self._shared])
        effect = spread - whole
        if abs(effect) < MATTERS * abs(whole - self._corrupted):
            return Replaced(None, None, effect)
        return Replaced((ideal - spread) / (whole - spread), (beside - spread) / (whole - spread), effect)

    def _mean(self, logits: Sequence[Tensor]) -> float:
        total = 0.0
        for (prompts, clean, _), one in zip(self._shared, logits, strict=True):
            total += float(self.task.metric.values(one.to(clean), prompts, clean).double().sum())
        return total / len(self.task)


def output_replaced(parts: Parts, task: Task, source: Source, *, seed: int) -> tuple[Replaced, float]:
    """Put in the place of what an MLP writes what it writes at the same token elsewhere; and how far the two agree.

    The meaningless replacement is what it writes at another token of other prompts. The agreement is 1 − Σ|own − same
    token elsewhere|² / Σ|own − another token elsewhere|², at all tokens but BOS. The control is none: another token is it.
    Contexts are drawn from the tokens of the task's prompts. Raises InputError for a head: its pattern says more.
    """
    if source.kind not in ("mlp", "attention"):
        raise InputError(
            f"{source.name} is a {source.kind}: what is written elsewhere is read off MLPs and whole layers"
        )
    site = parts.site(source.layer, SiteKind.MLP_OUT if source.kind == "mlp" else SiteKind.ATTN_OUT)
    sums, apart = torch.zeros(4, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    drawn = random.Random(f"elsewhere {seed}")
    words = sorted({i for pair in task.pairs for i in pair.clean[1:]})
    for prompts in prompts_of(parts.subject, task.pairs):
        own = parts.subject.run(prompts.clean, capture=[site]).sites[site]
        same, other = _elsewhere(parts, prompts, site, words, drawn)
        apart += torch.stack([(own - each)[:, 1:].double().square().sum().cpu() for each in (same, other)])
        clean = parts.logits(prompts.clean)
        logits = [clean, *(parts.logits(prompts.clean, [Edit(site, Operation.SET, each)]) for each in (same, other))]
        logits.append(parts.logits(prompts.corrupted))
        for number, one in enumerate(logits):
            sums[number] += task.metric.values(one, prompts, clean).double().sum().cpu()
    whole, kept, spread, corrupted = (sums / len(task)).tolist()
    agreement = 1 - float(apart[0] / apart[1]) if float(apart[1]) > 0 else 0.0
    effect = spread - whole
    if abs(effect) < MATTERS * abs(whole - corrupted):
        return Replaced(None, None, effect), agreement
    return Replaced((kept - spread) / (whole - spread), None, effect), agreement


def direct_effect(parts: Parts, task: Task, source: Source) -> tuple[float, float | None]:
    """How high the answer ranks in what a source writes to the logits, and which share of its effect goes straight there.

    What the logits read of it is exchanged for what it writes on the corrupted prompt, and nothing else (path patching). The
    rank is that of the right answers' logits among the changes of all, from -1 (lowest) to 1; the share is None where
    patching the source has no effect on the metric.
    """
    number = parts.graph.source_numbers[source.name]
    last = parts.site(parts.graph.layers - 1, SiteKind.RESID_POST)
    ranks = changed = 0.0
    for prompts, clean, corrupted in both_runs(parts, task):
        stream = parts.subject.run(prompts.clean, capture=[last]).sites[last]
        difference = (corrupted.written[:, number] - clean.written[:, number]).to(stream)
        with torch.no_grad():
            read = parts.final(stream + difference)
        logits = parts.logits(prompts.clean, [Edit(_FINAL, Operation.SET, read)])
        gained = (clean.logits - logits).float().cpu()
        answer = (gained * prompts.right).sum(1, keepdim=True)
        lower, level = (gained < answer).double().mean(1), (gained == answer).double().mean(1)
        ranks += float((2 * (lower + level / 2) - 1).sum())
        values = [task.metric.values(one, prompts, clean.logits) for one in (logits, clean.logits)]
        changed += float((values[0] - values[1]).sum())
    total = float(node_patching(parts, task, [number]).sum())
    return ranks / len(task), None if abs(total) < 1e-9 else changed / total


def _one_hot(where: Tensor, like: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(where.clamp(min=0), like.shape[-1]).to(like)


def _beside(where: Tensor) -> Tensor:
    """One token before each place; one after it where that would be BOS, as far as the token itself allows."""
    query = torch.arange(where.shape[1], device=where.device).expand(where.shape)
    after = torch.minimum(where + 1, query)
    return torch.where(where < 0, where, torch.where(where - 1 >= 1, where - 1, after))


def _elsewhere(
    parts: Parts, prompts: Prompts, site: Site, words: Sequence[int], drawn: random.Random
) -> tuple[Tensor, Tensor]:
    """What is written at the same tokens and places in other contexts, and at other tokens, [prompts, tokens, width] each."""
    count, tokens = prompts.clean.shape
    place = torch.arange(tokens)

    def others() -> Tensor:
        ids = torch.tensor([[drawn.choice(words) for _ in range(tokens)] for _ in range(count)])
        return torch.where(place == 0, prompts.clean, ids)

    def written(ids: Tensor) -> Tensor:
        return parts.subject.run(ids, capture=[site]).sites[site]

    other = written(others())
    same = torch.empty_like(other)
    for number in range(min(_CONTEXTS, tokens)):
        kept = place % _CONTEXTS == number
        same[:, kept] = written(torch.where(kept, prompts.clean, others()))[:, kept]
    return same, other
