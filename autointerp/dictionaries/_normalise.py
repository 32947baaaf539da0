"""What some dictionaries do to an input before they encode it, and undo in what they decode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

_EPSILON = 1e-5


class Normalisation(Protocol):
    """An input x [..., width] is divided by a length and may be centred first; the output gets both back."""

    @property
    def length(self) -> float | None:
        """By what every input alike is divided; None where each has a length of its own."""
        ...

    def prepare(self, x: Tensor) -> Tensor:
        """What is encoded, [..., width]."""
        ...

    def scale(self, x: Tensor) -> Tensor:
        """What the output is multiplied by, [...]: how long a unit of the decoder is at each position."""
        ...

    def offset(self, x: Tensor) -> Tensor | float:
        """What is added to the output, [...]."""
        ...


@dataclass(frozen=True, slots=True)
class Constant:
    """Division by one number: 1 for most dictionaries, the mean norm of a data set for some."""

    length: float = 1.0

    def prepare(self, x: Tensor) -> Tensor:
        """As the protocol says."""
        return x if self.length == 1.0 else x * (1 / self.length)

    def scale(self, x: Tensor) -> Tensor:
        """As the protocol says."""
        return torch.full(x.shape[:-1], self.length, device=x.device)

    def offset(self, x: Tensor) -> Tensor | float:
        """As the protocol says."""
        del x
        return 0.0


@dataclass(frozen=True, slots=True)
class Standardised:
    """Every input centred and divided by its own standard deviation (the unbiased one), as SAELens' `layer_norm` does."""

    length: None = None

    def prepare(self, x: Tensor) -> Tensor:
        """As the protocol says."""
        centred = x - x.mean(-1, keepdim=True)
        return centred / (centred.std(-1, keepdim=True) + _EPSILON)

    def scale(self, x: Tensor) -> Tensor:
        """As the protocol says."""
        return x.float().std(-1)

    def offset(self, x: Tensor) -> Tensor | float:
        """As the protocol says."""
        return x.float().mean(-1)


@dataclass(frozen=True, slots=True)
class Rescaled:
    """Every input brought to the norm √width, as SAELens' `constant_norm_rescale` does."""

    length: None = None

    def prepare(self, x: Tensor) -> Tensor:
        """As the protocol says."""
        return x / self.scale(x)[..., None]

    def scale(self, x: Tensor) -> Tensor:
        """As the protocol says."""
        norm: Tensor = x.float().norm(dim=-1) / x.shape[-1] ** 0.5
        return norm

    def offset(self, x: Tensor) -> Tensor | float:
        """As the protocol says."""
        del x
        return 0.0
