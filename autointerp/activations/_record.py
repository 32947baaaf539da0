"""What one pass keeps of every feature: exact counts, the strongest passages, and all activations of the first passages.

Memory is bounded by features times caps, not by tokens. Passages arrive in random order, so "all activations until the cap
is reached" is a uniform sample of passages in which every activation, and every silence, is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autointerp.dictionaries import Sparse

#: Passages kept for each feature and split by their strongest activation.
TOP = 24
#: Histogram bins are quarter octaves of activation, from 2**-12 on.
BINS, PER_OCTAVE, LOWEST = 112, 4, -12


class Totals:
    """Counts over all splits, per feature."""

    def __init__(self, features: int) -> None:
        self.tokens = 0
        self.active = torch.zeros(features, dtype=torch.int64)
        self.total = torch.zeros(features, dtype=torch.float64)
        self.maximum = torch.zeros(features)
        self.histogram = torch.zeros(features * BINS, dtype=torch.int64)
        self.not_finite = 0

    def add(self, acts: Sparse, tokens: int) -> None:
        """Count the activations of `tokens` positions."""
        self.tokens += tokens
        features, values = acts.features, acts.values
        self.active += torch.bincount(features, minlength=len(self.active))
        self.total.index_add_(0, features, values.double())
        self.maximum.scatter_reduce_(0, features, values, "amax")
        bins = ((values.log2() - LOWEST) * PER_OCTAVE).floor().clamp(0, BINS - 1).long()
        self.histogram += torch.bincount(features * BINS + bins, minlength=len(self.histogram))


@dataclass(frozen=True, slots=True)
class Recorded:
    """One split's activations by feature, ready to be stored (see `_index` for the meaning of the arrays)."""

    indptr: NDArray[np.int64]
    positions: NDArray[np.int32]
    values: NDArray[np.float32]
    known: NDArray[np.int32]
    top_passages: NDArray[np.int32]
    top_values: NDArray[np.float32]


class SplitRecorder:
    """Collects one split."""

    def __init__(self, features: int, length: int, cap: int) -> None:
        self.features, self.length, self.cap = features, length, cap
        self._counts = torch.zeros(features, dtype=torch.int64)
        self._known = torch.full((features,), -1, dtype=torch.int64)
        self._parts: list[tuple[Tensor, Tensor, Tensor]] = []
        self._top_values = torch.zeros(TOP, features)
        self._top_passages = torch.full((TOP, features), -1, dtype=torch.int32)
        self._passages = 0

    def add(self, acts: Sparse, passage: Tensor, position: Tensor, count: int) -> None:
        """Take in the activations of the next `count` passages.

        `passage` int64 [rows] counts from 0 within these; `position` int64 [rows] is the token's place in its passage.
        """
        owner = passage[acts.rows]
        self._add_top(acts, owner, count)
        open_ = (self._known < 0)[acts.features]
        rows, features, values = acts.rows[open_], acts.features[open_], acts.values[open_]
        flat = (self._passages + passage[rows]) * self.length + position[rows]
        self._parts.append((features.to(torch.int32), flat.to(torch.int32), values))
        self._counts += torch.bincount(features, minlength=self.features)
        self._passages += count
        self._known[(self._known < 0) & (self._counts >= self.cap)] = self._passages

    def _add_top(self, acts: Sparse, owner: Tensor, count: int) -> None:
        maxima = torch.zeros(count * self.features)
        maxima.scatter_reduce_(0, owner * self.features + acts.features, acts.values, "amax")
        numbers = torch.arange(self._passages, self._passages + count, dtype=torch.int32)
        values = torch.cat([self._top_values, maxima.view(count, self.features)])
        passages = torch.cat([self._top_passages, numbers[:, None].expand(count, self.features)])
        self._top_values, order = values.topk(TOP, dim=0)
        self._top_passages = passages.gather(0, order)

    def finish(self) -> Recorded:
        """Everything sorted by feature, then by position."""
        features, positions, values = (torch.cat(part).numpy() for part in zip(*self._parts, strict=True))
        order = np.argsort(features, kind="stable")
        counts = np.bincount(features, minlength=self.features)
        known = torch.where(self._known < 0, self._passages, self._known)
        top_passages = torch.where(self._top_values > 0, self._top_passages, -1)
        return Recorded(
            indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            positions=positions[order],
            values=values[order],
            known=known.numpy().astype(np.int32),
            top_passages=top_passages.T.contiguous().numpy(),
            top_values=self._top_values.T.contiguous().numpy(),
        )
