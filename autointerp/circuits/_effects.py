"""The change of the next-token logits when something is added at one place of each text."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from autointerp.circuits._clean import CleanRun, rerun
from autointerp.errors import ModelError
from autointerp.records import Site

_BATCH = 32


def next_token_change(clean: CleanRun, places: Tensor, added: Mapping[Site, Tensor]) -> Tensor:
    """How the logits at one place of each text change when vectors are added there.

    Parameters
    ----------
    places: int64 [texts].
    added: by site, [texts, width] each.

    Returned relative to the mean change over the vocabulary, [texts, vocabulary]: a shift of all logits alike changes no
    probability. Raises ModelError for a model without logits.
    """
    if not clean.subject.has_logits:
        raise ModelError(f"{clean.subject.name} has no logits that an intervention could move")
    changes = []
    for start in range(0, len(clean), _BATCH):
        some = clean.some(slice(start, start + _BATCH))
        here = places[start : start + _BATCH]
        spread = {site: _at_places(vectors[start : start + _BATCH], here, some) for site, vectors in added.items()}
        rows = torch.arange(len(some))
        change = rerun(some, spread)[rows, here].float() - some.output[rows, here].float()
        changes.append(change - change.mean(1, keepdim=True))
    return torch.cat(changes)


def _at_places(vectors: Tensor, places: Tensor, clean: CleanRun) -> Tensor:
    """Vectors [texts, width] at one place each, zero elsewhere, [texts, tokens, width]."""
    value = torch.zeros(*clean.ids.shape, vectors.shape[-1])
    value[torch.arange(len(places)), places] = vectors.float()
    return value
