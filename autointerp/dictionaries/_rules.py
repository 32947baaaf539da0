"""Activation rules: which features are active, and how strongly, given their pre-activations.

A NaN among the pre-activations comes out as an active feature with the value NaN, so that whoever counts can see it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from autointerp.dictionaries._protocol import Sparse
from autointerp.dictionaries._stored import Stored

#: From pre-activations [positions, features] of some features to those that are active; features counted from zero.
Select = Callable[[Tensor], Sparse]


class Rule(Protocol):
    """One kind of activation function."""

    def rivals(self, feature: int, size: int) -> tuple[int, int]:
        """The range of features on which the activation of `feature` depends."""
        ...

    def of(self, start: int, stop: int, device: torch.device) -> Select:
        """The rule for the features from `start` to before `stop`, a range that leaves no rivals out."""
        ...


def nonzero(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Row and column of every True in a matrix, by rows. On a CPU numpy finds them in half of torch's time."""
    if mask.device.type != "cpu":
        rows, columns = mask.nonzero(as_tuple=True)
        return rows, columns
    flat = torch.from_numpy(np.flatnonzero(mask.numpy()))
    rows = flat.div(mask.shape[1], rounding_mode="floor")
    return rows, flat - rows * mask.shape[1]


def _above(pre: Tensor, threshold: Tensor | float) -> Sparse:
    rows, features = nonzero((pre <= threshold).logical_not_())
    return Sparse(rows, features, pre[rows, features])


def _positive(found: Sparse) -> Sparse:
    keep = (found.values <= 0).logical_not_()
    return found if keep.all() else Sparse(found.rows[keep], found.features[keep], found.values[keep])


class _Alone:
    """Features that do not compete."""

    def rivals(self, feature: int, size: int) -> tuple[int, int]:
        """Itself alone."""
        del size
        return feature, feature + 1


@dataclass(frozen=True, slots=True)
class Threshold(_Alone):
    """JumpReLU (Rajamanoharan et al. 2024): a pre-activation above its threshold as it is, any other as zero.

    One threshold for all or one each. Zero makes it a ReLU; a negative one does too, since no activation is negative.
    """

    at: Stored | float = 0.0
    factor: float = 1.0

    def of(self, start: int, stop: int, device: torch.device) -> Select:
        """As the protocol says."""
        if isinstance(self.at, float):
            level: Tensor | float = max(self.at * self.factor, 0.0)
        else:
            level = (self.at.narrow(0, start, stop).read() * self.factor).clamp(min=0).to(device)
        return lambda pre: _above(pre, level)


@dataclass(frozen=True, slots=True)
class Gated(_Alone):
    """Rajamanoharan et al. 2024, "Improving dictionary learning with gated sparse autoencoders".

    The pre-activation opens the gate; the magnitude is another affine function of the same product. `gate` and `magnitude`
    are the two biases, `r` the logarithm of the magnitude's gain.
    """

    gate: Stored
    magnitude: Stored
    r: Stored

    def of(self, start: int, stop: int, device: torch.device) -> Select:
        """As the protocol says."""
        gate, magnitude, r = (s.narrow(0, start, stop).read().to(device) for s in (self.gate, self.magnitude, self.r))
        gain = r.exp()

        def select(pre: Tensor) -> Sparse:
            found = _above(pre, 0.0)
            at = found.features
            values = (found.values - gate[at]) * gain[at] + magnitude[at]
            return _positive(Sparse(found.rows, at, values))

        return select


@dataclass(frozen=True, slots=True)
class TopK:
    """The k largest of the positive pre-activations (Gao et al. 2024). All features are rivals."""

    k: int

    def rivals(self, feature: int, size: int) -> tuple[int, int]:
        """All features."""
        del feature
        return 0, size

    def of(self, start: int, stop: int, device: torch.device) -> Select:
        """As the protocol says."""
        del device
        k = min(self.k, stop - start)

        def select(pre: Tensor) -> Sparse:
            values, features = pre.topk(k, dim=-1)
            rows = torch.arange(len(pre), device=pre.device).repeat_interleave(k)
            return _positive(Sparse(rows, features.flatten(), values.flatten()))

        return select


@dataclass(frozen=True, slots=True)
class GroupMax:
    """The largest of each run of `length` features, where it is positive."""

    length: int

    def rivals(self, feature: int, size: int) -> tuple[int, int]:
        """The features of its group."""
        del size
        start = feature // self.length * self.length
        return start, start + self.length

    def of(self, start: int, stop: int, device: torch.device) -> Select:
        """As the protocol says."""
        groups = (stop - start) // self.length
        first = torch.arange(0, stop - start, self.length, device=device)

        def select(pre: Tensor) -> Sparse:
            values, within = pre.view(len(pre), groups, self.length).max(dim=-1)
            rows = torch.arange(len(pre), device=device).repeat_interleave(groups)
            return _positive(Sparse(rows, (within + first).flatten(), values.flatten()))

        return select
