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
    # To ask for as much room anew for every edit takes longer than to fill it.
    room = [torch.empty_like(clean.output[:_BATCH], dtype=torch.float32) for _ in range(2)]
    for start in range(0, len(clean), _BATCH):
        here = slice(start, start + _BATCH)
        some = clean.some(here)
        valid = (place[None, :] > 0) & (place[None, :] < lengths[here, None])
        likely, change = (part[: len(some)] for part in room)
        if some.subject.has_logits:
            torch.softmax(some.output.float(), -1, out=likely)
        column = []
        for amount in amounts:
            added = {site: amount[here][..., None] * vector for site, vector in writes.items()}
            moved = _moved(some, likely, rerun(some, added), change)
            column.append((moved * valid).sum(1) / valid.sum(1).clamp(min=1))
        rows.append(torch.stack(column))
    return torch.cat(rows, dim=1)


def _moved(clean: CleanRun, likely: Tensor, edited: Tensor, change: Tensor) -> Tensor:
    """The distance of two outputs at every place, [texts, tokens]; `likely` are the probabilities of the clean one.

    `change` is room to work in, [texts, tokens, vocabulary].

    KL(p ‖ q) = log Σ p exp(d) for d = log q - log p less its mean under p, and a shift of all logits drops out of d. The exact
    value is a small difference of large terms where both are taken as they are, and costs twice the passes over the vocabulary.
    """
    torch.sub(edited.float(), clean.output.float(), out=change)
    if not clean.subject.has_logits:
        return change.square_().sum(-1)
    change -= torch.einsum("tpv,tpv->tp", likely, change)[..., None]
    moved = torch.einsum("tpv,tpv->tp", likely, change.expm1_()).log1p()
    if moved.isfinite().all():
        return moved.clamp(min=0)
    # A logit that moved by more than single precision can raise e to.
    log_p, log_q = clean.output.float().log_softmax(-1), edited.float().log_softmax(-1)
    return (likely * (log_p - log_q)).sum(-1).clamp(min=0)
