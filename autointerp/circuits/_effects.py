"""The change of the next-token logits when something is added to a site at one place of each prompt."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from autointerp.models import Edit, Operation, Subject
from autointerp.records import Site

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


def prompts_of(subject: Subject, site: Site, ids: Tensor, places: Tensor) -> Prompts:
    """Run the prompts once as they are; `site` has to be a resid_post."""
    resid, logits = [], []
    for start in range(0, len(ids), _BATCH):
        here = slice(start, start + _BATCH)
        clean = subject.run(ids[here], capture=[site], logits=True)
        assert clean.logits is not None
        resid.append(clean.sites[site])
        logits.append(_at(clean.logits, places[here]))
    return Prompts(ids, places, site, torch.cat(resid), torch.cat(logits))


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
        run = subject.run(ids, edits=[edit], logits=True, start=(prompts.site, prompts.resid[here]))
        assert run.logits is not None
        change = _at(run.logits, places) - prompts.logits[here]
        changes.append(change - change.mean(1, keepdim=True))
    return torch.cat(changes)


def _at(logits: Tensor, places: Tensor) -> Tensor:
    return logits[torch.arange(len(places)), places].float()
