"""What latents are on prompts, and by how much they differ from what stands in their place when they are ablated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from autointerp.circuits._ablation import Ablation, partners
from autointerp.circuits._latent_sites import LatentParts, LatentSite
from autointerp.circuits._pairs import Prompts, chunks, prompts_of
from autointerp.circuits._task import Task
from autointerp.dictionaries import Sparse
from autointerp.errors import InputError
from autointerp.models import Edit
from autointerp.records import Site


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """One site on some prompts.

    Attributes
    ----------
    strengths: of the latents, with prompts and tokens as one axis of cells; None of neurons, which are what is read.
    rest: what they leave over, [prompts, tokens, width]; None where there is none.
    read: what they were computed from, [prompts, tokens, width].
    """

    strengths: Sparse | None
    rest: Tensor | None
    read: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """From one lot of values at a site to another, on the same prompts.

    Attributes
    ----------
    cells, features, amounts: by how much the strengths of latents grow, [entries] each, sorted by cell; a cell is
        prompt · tokens + token. Latents that stay as they are have no entry.
    rest: the change of what is left over, [prompts, tokens, width].
    shape: how many prompts and tokens there are.
    """

    cells: Tensor
    features: Tensor
    amounts: Tensor
    rest: Tensor | None
    shape: tuple[int, int]

    def only(self, chosen: Tensor) -> Sparse:
        """Some of the entries, by a mask."""
        return Sparse(self.cells[chosen], self.features[chosen], self.amounts[chosen])

    def whole(self, site: LatentSite) -> Tensor:
        """All of it in one, [prompts, tokens, width]: the change of what is written at the site."""
        everything = Sparse(self.cells, self.features, self.amounts)
        written = site.written(everything, self.shape[0] * self.shape[1]).view(*self.shape, -1)
        return written if self.rest is None else written + self.rest


def change(site: LatentSite, before: Values, after: Values) -> Change:
    """From some values to others."""
    shape = (before.read.shape[0], before.read.shape[1])
    first, second = before.strengths, after.strengths
    if first is None or second is None:
        grown = (after.read - before.read).flatten(0, 1)
        rows, features = (grown != 0).nonzero(as_tuple=True)
        return Change(rows, features, grown[rows, features], None, shape)
    keys = torch.cat([first.rows * site.size + first.features, second.rows * site.size + second.features])
    both, place = keys.unique(return_inverse=True)
    amounts = torch.zeros(len(both), dtype=first.values.dtype, device=keys.device)
    amounts.index_add_(0, place, torch.cat([-first.values, second.values]))
    differs = amounts != 0
    both, amounts = both[differs], amounts[differs]
    cells = both.div(site.size, rounding_mode="floor")
    rest = None if before.rest is None or after.rest is None else after.rest - before.rest
    return Change(cells, both - cells * site.size, amounts, rest, shape)


def values_of(site: LatentSite, sites: dict[Site, Tensor]) -> Values:
    """A site's values from what a run read and wrote there."""
    read, written = sites[site.reads].float(), sites[site.writes].float()
    if not site.has_rest:
        return Values(None, None, read)
    flat = read.flatten(0, 1)
    strengths = site.strengths(flat)
    return Values(strengths, written - site.written(strengths, len(flat)).view_as(written), read)


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """Some prompts as they ran: the values of every site, and what follows each prompt, [prompts, vocabulary]."""

    sites: tuple[Values, ...]
    logits: Tensor


def observe(parts: LatentParts, ids: Tensor) -> Observed:
    """Run prompts [prompts, tokens] as they are."""
    capture = {end for site in parts.sites for end in (site.reads, site.writes)}
    run = parts.subject.run(ids, capture=capture, logits=last_of(ids))
    assert run.logits is not None
    return Observed(tuple(values_of(site, run.sites) for site in parts.sites), run.logits.float())


def last_of(ids: Tensor) -> Tensor:
    """The column after which the logits of each prompt are read."""
    return torch.full((len(ids),), ids.shape[1] - 1)


def logits_under(
    parts: LatentParts, ids: Tensor, edits: Sequence[Edit], start: tuple[Site, Tensor] | None = None
) -> Tensor:
    """What follows each prompt under edits, [prompts, vocabulary]."""
    run = parts.subject.run(ids, edits=edits, logits=last_of(ids), start=start)
    assert run.logits is not None
    return run.logits.float()


class LatentReference:
    """What stands in the place of ablated latents, for prompts of one task.

    Counterfactual: their strengths on the corrupted prompt. Mean: over the tokens of all clean prompts but BOS. Zero: none, and
    no error. Resample: those on the clean prompt of another pair. Raises InputError where that is not defined.
    """

    def __init__(self, parts: LatentParts, task: Task, kind: Ablation, *, seed: int = 0) -> None:
        self.parts, self.kind = parts, kind
        self._partners = partners(task, seed) if kind is Ablation.RESAMPLE else {}
        self._means = _means(parts, task) if kind is Ablation.MEAN else []

    def values(self, prompts: Prompts) -> tuple[Values, ...] | None:
        """Of every site on these prompts; None where they follow from the run that is ablated."""
        if self.kind is Ablation.COUNTERFACTUAL:
            return observe(self.parts, prompts.corrupted).sites
        if self.kind is Ablation.RESAMPLE:
            ids = torch.tensor([self._partners[int(row)] for row in prompts.rows])
            return observe(self.parts, ids).sites
        return None

    def change(self, number: int, here: Values, there: tuple[Values, ...] | None) -> Change:
        """From the values of a site in a run to those that stand in their place; `there` is what `values` gave."""
        site = self.parts.sites[number]
        if there is not None:
            return change(site, here, there[number])
        if self.kind is Ablation.MEAN:
            return change(site, here, _everywhere(self._means[number], here))
        if not site.has_rest:
            return change(site, here, Values(None, None, torch.zeros_like(here.read)))
        none = torch.zeros(0, dtype=torch.int64, device=here.read.device)
        empty = Sparse(none, none, torch.zeros(0, device=here.read.device))
        rest = None if here.rest is None else site.nothing(here.read.flatten(0, 1)).view_as(here.rest)
        return change(site, here, Values(empty, rest, here.read))


def unexplained_variance(parts: LatentParts, task: Task) -> list[float]:
    """Of each site the share of its variance over the tokens of the clean prompts but BOS that is the latents' error."""
    count = 0
    sums, squares, errors = ([torch.zeros((), dtype=torch.float64) for _ in parts.sites] for _ in range(3))
    for prompts in chunked(parts, task):
        ends = {end for site in parts.sites for end in (site.reads, site.writes)}
        run = parts.subject.run(prompts.clean, capture=ends)
        count += prompts.clean[:, 1:].numel()
        for number, site in enumerate(parts.sites):
            written = run.sites[site.writes][:, 1:].double()
            sums[number] = sums[number].to(written) + written.sum((0, 1))
            squares[number] = squares[number].to(written) + written.square().sum()
            here = values_of(site, run.sites)
            if here.rest is not None:
                error = here.rest - site.nothing(here.read.flatten(0, 1)).view_as(here.rest)
                errors[number] = errors[number].to(written) + error[:, 1:].double().square().sum()
    return [
        float(error / (square - total.square().sum() / count).clamp(min=1e-30))
        for error, square, total in zip(errors, squares, sums, strict=True)
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Mean:
    """Mean strengths, those that are not zero, and the mean rest [width]."""

    features: Tensor
    values: Tensor
    rest: Tensor | None


def _means(parts: LatentParts, task: Task) -> list[_Mean]:
    totals = [torch.zeros(site.size, dtype=torch.float64) for site in parts.sites]
    rests: list[Tensor | None] = [None] * len(parts.sites)
    count = 0
    for prompts in chunked(parts, task):
        tokens = prompts.clean.shape[1]
        count += len(prompts) * (tokens - 1)
        for number, here in enumerate(observe(parts, prompts.clean).sites):
            acts = here.strengths
            if acts is None:
                totals[number] += here.read[:, 1:].double().sum((0, 1)).cpu()
                continue
            behind = acts.rows % tokens > 0
            totals[number].index_add_(0, acts.features[behind].cpu(), acts.values[behind].double().cpu())
            if here.rest is not None:
                more, before = here.rest[:, 1:].double().sum((0, 1)), rests[number]
                rests[number] = more if before is None else before + more
    found = []
    for total, rest in zip(totals, rests, strict=True):
        features = total.nonzero().flatten()
        mean = (total[features] / count).float()
        found.append(_Mean(features, mean, None if rest is None else (rest / count).float()))
    return found


def _everywhere(mean: _Mean, here: Values) -> Values:
    prompts, tokens, _ = here.read.shape
    cells, device = prompts * tokens, here.read.device
    if here.strengths is None:
        whole = torch.zeros(here.read.shape[2], device=device)
        whole[mean.features.to(device)] = mean.values.to(device)
        return Values(None, None, whole.expand_as(here.read))
    strengths = Sparse(
        torch.arange(cells, device=device).repeat_interleave(len(mean.features)),
        mean.features.to(device).repeat(cells),
        mean.values.to(device).repeat(cells),
    )
    rest = None if here.rest is None or mean.rest is None else mean.rest.to(device).expand_as(here.rest)
    return Values(strengths, rest, here.read)


def chunked(parts: LatentParts, task: Task, copies: int = 2) -> Iterator[Prompts]:
    """The pairs in chunks that fit into memory."""
    for group in prompts_of(parts.subject, task.pairs):
        yield from chunks([group], parts.rows(group.clean.shape[1], copies))


def one_length(task: Task) -> None:
    """Raises InputError for prompts that have no tokens in common."""
    if len({len(pair.clean) for pair in task.pairs}) > 1:
        raise InputError("prompts of several lengths have no tokens in common: sum over positions, or give one length")
