"""The change of the next-token logits when something is added to a site at one place of each prompt."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from autointerp.models import Captured, Edit, Operation, Subject
from autointerp.records import Site, SiteKind

_BATCH = 32


@dataclass(frozen=True, slots=True, eq=False)
class Prompts:
    """Texts, one place in each, and the clean run there, so that many interventions share it.

    Attributes
    ----------
    ids: int64 [prompts, tokens], padded on the right.
    places: int64 [prompts].
    site, resid: where interventions go, and what the clean run read there, [prompts, tokens, width].
    logits: clean next-token logits at the places, [prompts, vocabulary].
    """

    ids: Tensor
    places: Tensor
    site: Site
    resid: Tensor
    logits: Tensor

    def __len__(self) -> int:
        return len(self.ids)


def clean_run(subject: Subject, site: Site, ids: Tensor) -> Captured:
    """Texts [texts, tokens] run as they are: activations at the site, and logits at all places."""
    parts = [
        subject.run(ids[start : start + _BATCH], capture=[site], logits=True) for start in range(0, len(ids), _BATCH)
    ]
    logits = torch.cat([part.logits for part in parts if part.logits is not None])
    return Captured({site: torch.cat([part.sites[site] for part in parts])}, logits)


def prompts_of(subject: Subject, site: Site, ids: Tensor, places: Tensor, *, clean: Captured | None = None) -> Prompts:
    """Prompts with their clean run, made here unless given."""
    if clean is None:
        clean = clean_run(subject, site, ids)
    assert clean.logits is not None
    return Prompts(ids, places, site, clean.sites[site], _at(clean.logits, places))


def next_token_change(subject: Subject, prompts: Prompts, added: Tensor) -> Tensor:
    """How the next-token logits at each prompt's place change when `added` [prompts, width] is added there.

    Returned relative to the mean change over the vocabulary, [prompts, vocabulary]: a shift of all logits alike changes no
    probability.
    """
    changes = []
    for start in range(0, len(prompts), _BATCH):
        here = slice(start, start + _BATCH)
        ids, places = prompts.ids[here], prompts.places[here]
        value = torch.zeros_like(prompts.resid[here])
        value[torch.arange(len(ids)), places] = added[here].to(value.dtype)
        edit = Edit(prompts.site, Operation.ADD, value)
        run = subject.run(ids, edits=[edit], logits=True, start=resumed(prompts.site, prompts.resid[here]))
        assert run.logits is not None
        change = _at(run.logits, places) - prompts.logits[here]
        changes.append(change - change.mean(1, keepdim=True))
    return torch.cat(changes)


def resumed(site: Site, activations: Tensor) -> tuple[Site, Tensor] | None:
    """What a run with edits at `site` can start from: the site itself where it is a whole residual stream, else nothing."""
    return (site, activations) if site.kind is SiteKind.RESID_POST else None


def _at(logits: Tensor, places: Tensor) -> Tensor:
    return logits[torch.arange(len(places)), places].float()
