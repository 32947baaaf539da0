"""The simple rival that every explanation has to beat: the mean activation of each token."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def token_means(
    ids: NDArray[np.int32], lengths: NDArray[np.int32], activations: NDArray[np.float32], vocabulary: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Mean activation by token id, [vocabulary], and which tokens were seen; the others get the mean over all places.

    Parameters
    ----------
    ids, activations: [texts, length], BOS first.
    lengths: places in use, BOS included, [texts].
    """
    place = np.arange(ids.shape[1])
    mask = (place[None, :] > 0) & (place[None, :] < lengths[:, None])
    flat, values = ids[mask], activations[mask].astype(np.float64)
    counts = np.bincount(flat, minlength=vocabulary)
    sums = np.bincount(flat, weights=values, minlength=vocabulary)
    overall = float(values.mean()) if len(values) else 0.0
    table = np.where(counts > 0, sums / np.maximum(counts, 1), overall)
    return table.astype(np.float32), counts > 0
