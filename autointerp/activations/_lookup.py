"""Activations of one feature on any tokens, computed now."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autointerp.dictionaries import Dictionary
from autointerp.models import Subject

_BATCH = 32


def activations_on(
    subject: Subject, dictionary: Dictionary, feature: int, ids: NDArray[np.int32], lengths: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Activations [texts, length] for ids [texts, length], BOS first; zero at BOS and behind `lengths`."""
    acts = np.zeros(ids.shape, dtype=np.float32)
    for start in range(0, len(ids), _BATCH):
        stop = min(start + _BATCH, len(ids))
        texts = [ids[i, : lengths[i]].tolist() for i in range(start, stop)]
        x = subject.run(subject.pad(texts), capture=[dictionary.input_site]).sites[dictionary.input_site]
        found = dictionary.encode_one(x, feature).float().cpu().numpy()
        width = min(found.shape[1], ids.shape[1])
        acts[start:stop, :width] = found[:, :width]
    place = np.arange(ids.shape[1])
    acts[(place[None, :] >= lengths[:, None]) | (place[None, :] == 0)] = 0.0
    return acts
