"""What it costs the model to have a feature's activations replaced by others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from autointerp.circuits._clean import CleanRun, rerun
from autointerp.records import Site

_BATCH = 16


def damage_of(clean: CleanRun, writes: Mapping[Site, Tensor], lengths: Tensor, amounts: Sequence[Tensor]) -> Tensor:
    """How far the output moves per position, for each text and each change of an activation, [amounts, texts].

    For a model with logits KL(clean ‖ edited) of the next-token distributions in nats; for one without the squared distance of
    the final states. In the mean over the places of the text, BOS and padding left out.

    Parameters
    ----------
    writes: what one unit of the activation adds at each site, [width].
    lengths: int64 [texts], BOS included.
    amounts: by how much the activation changes at each place, [texts, tokens] each.
    """
    rows = []
    place = torch.arange(clean.ids.shape[1])
    for start in range(0, len(clean), _BATCH):
        here = slice(start, start + _BATCH)
        some = clean.some(here)
        valid = (place[None, :] > 0) & (place[None, :] < lengths[here, None])
        column = []
        for amount in amounts:
            added = {site: amount[here][..., None] * vector for site, vector in writes.items()}
            moved = _moved(some, rerun(some, added))
            column.append((moved * valid).sum(1) / valid.sum(1).clamp(min=1))
        rows.append(torch.stack(column))
    return torch.cat(rows, dim=1)


def _moved(clean: CleanRun, edited: Tensor) -> Tensor:
    """The distance of two outputs at every place, [texts, tokens]."""
    if not clean.subject.has_logits:
        return (edited.float() - clean.output.float()).square().sum(-1)
    log_p, log_q = clean.output.float().log_softmax(-1), edited.float().log_softmax(-1)
    return (log_p.exp() * (log_p - log_q)).sum(-1).clamp(min=0)
