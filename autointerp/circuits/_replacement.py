"""What it costs the model to have a feature's activations replaced by others."""

from __future__ import annotations

import torch
from torch import Tensor

from autointerp.circuits._effects import clean_run, resumed
from autointerp.models import Captured, Edit, Operation, Subject
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
    *,
    clean: Captured | None = None,
) -> Tensor:
    """KL(clean ‖ edited) in nats per position, for each text and each replacement, [replacements, texts].

    The activation along `direction` at `site` is changed from `true` to the replacement, both [texts, tokens],
    at every place; the divergence is that of the next-token distributions, in the mean over the places of the text.
    `clean` is what a run of the texts without edits read at the site and as logits, where there was one already.
    """
    if clean is None:
        clean = clean_run(subject, site, ids)
    assert clean.logits is not None
    rows = []
    for start in range(0, len(ids), _BATCH):
        here = slice(start, start + _BATCH)
        log_p = clean.logits[here].float().log_softmax(-1)
        place = torch.arange(ids.shape[1])
        valid = (place[None, :] > 0) & (place[None, :] < lengths[here, None])
        column = []
        for replacement in replacements:
            value = (replacement[here] - true[here])[..., None] * direction
            edit = Edit(site, Operation.ADD, value)
            run = subject.run(ids[here], edits=[edit], logits=True, start=resumed(site, clean.sites[site][here]))
            assert run.logits is not None
            log_q = run.logits.float().log_softmax(-1)
            divergence = (log_p.exp() * (log_p - log_q)).sum(-1).clamp(min=0)
            column.append((divergence * valid).sum(1) / valid.sum(1).clamp(min=1))
        rows.append(torch.stack(column))
    return torch.cat(rows, dim=1)
