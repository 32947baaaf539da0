"""Activations of one feature on any tokens, computed now."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from autointerp.dictionaries import Dictionary
from autointerp.models import Subject

_BATCH = 32


def activations_on(
    subject: Subject, dictionary: Dictionary, feature: int, ids: NDArray[np.int32], lengths: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Activations [texts, length] for padded ids [texts, length], BOS first; zero at BOS and padding."""
    parts = []
    for start in range(0, len(ids), _BATCH):
        batch = torch.from_numpy(np.array(ids[start : start + _BATCH], dtype=np.int64))
        x = subject.run(batch, capture=[dictionary.input_site]).sites[dictionary.input_site]
        parts.append(dictionary.encode_one(x.float(), feature))
    if not parts:
        return np.zeros(ids.shape, dtype=np.float32)
    acts = torch.cat(parts).numpy().astype(np.float32)
    place = np.arange(ids.shape[1])
    acts[(place[None, :] >= lengths[:, None]) | (place[None, :] == 0)] = 0.0
    return acts
