"""What it costs the model to have a feature's activations replaced by others."""

from __future__ import annotations

import torch
from torch import Tensor

from autointerp.models import Edit, Operation, Subject
from autointerp.records import Site

_BATCH = 16


def divergence_of(
    subject: Subject,
    site: Site,
    direction: Tensor,
    ids: Tensor,
    lengths: Tensor,
    true: Tensor,
    replacements: list[Tensor],
) -> Tensor:
    """KL(clean ‖ edited) in nats per position, for each text and each replacement, [replacements, texts].

    The activation along `direction` at a resid_post `site` is changed from `true` to the replacement, both [texts, tokens],
    at every place; the divergence is that of the next-token distributions, in the mean over the places of the text.
    """
    rows = []
    for start in range(0, len(ids), _BATCH):
        here = slice(start, start + _BATCH)
        clean = subject.run(ids[here], capture=[site], logits=True)
        assert clean.logits is not None
        log_p = clean.logits.float().log_softmax(-1)
        place = torch.arange(ids.shape[1])
        valid = (place[None, :] > 0) & (place[None, :] < lengths[here, None])
        column = []
        for replacement in replacements:
            value = (replacement[here] - true[here])[..., None] * direction
            edit = Edit(site, Operation.ADD, value)
            run = subject.run(ids[here], edits=[edit], logits=True, start=(site, clean.sites[site]))
            assert run.logits is not None
            log_q = run.logits.float().log_softmax(-1)
            divergence = (log_p.exp() * (log_p - log_q)).sum(-1).clamp(min=0)
            column.append((divergence * valid).sum(1) / valid.sum(1))
        rows.append(torch.stack(column))
    return torch.cat(rows, dim=1)
