"""What a norm does, as a formula: known from its values, so that gradients go through it without a backward pass each.

Every norm of a transformer in use is y = w ⊙ (x − μ) / s + b, where μ is the mean over the width or nothing and
s² the mean square of what is left, plus eps. Its derivative is a diagonal and two products of vectors, which cost a number
a token, however many targets read behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

Norm = Callable[[Tensor], Tensor]
_TOLERANCE = 1e-4
_EPSILONS = ("eps", "variance_epsilon", "epsilon")


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """y = weight ⊙ (x − μ) / s + bias, over the last axis; `weight` and `bias` [width]; μ only where `centred`.

    The identity is one without `eps`, whose s is 1.
    """

    weight: Tensor
    bias: Tensor
    eps: float | None
    centred: bool

    def core(self, x: Tensor) -> Tensor:
        """x − μ."""
        return x - x.mean(-1, keepdim=True) if self.centred else x

    def spread(self, x: Tensor) -> Tensor:
        """s of what `core` returned, the last axis left out."""
        if self.eps is None:
            return x.new_ones(x.shape[:-1])
        return torch.sqrt(torch.linalg.vector_norm(x, dim=-1).square() / x.shape[-1] + self.eps)

    def __call__(self, x: Tensor) -> Tensor:
        core = self.core(x)
        return core / self.spread(core)[..., None] * self.weight + self.bias


def scaling_of(norm: Norm, probe: Tensor) -> Scaling | None:
    """The formula of a norm, found and checked on inputs like `probe` [rows, width]; None where it is of another kind."""
    with torch.no_grad():
        if norm(probe) is probe:
            return Scaling(torch.ones_like(probe[0]), torch.zeros_like(probe[0]), None, centred=False)
        # A second scale shows whether eps is what it seems to be.
        inputs = torch.cat([probe, 0.1 * probe])
        wanted = norm(inputs)
        if wanted.shape != inputs.shape or wanted.dtype != inputs.dtype:
            return None
        bias = norm(torch.zeros_like(probe[:1]))[0]
        for eps in _epsilons(norm):
            for centred in (False, True):
                plain = Scaling(torch.ones_like(bias), torch.zeros_like(bias), eps, centred)
                along = plain(inputs)
                # Of many inputs the largest entry tells the weight best.
                row = along.abs().argmax(0, keepdim=True)
                weight = ((wanted - bias).gather(0, row) / along.gather(0, row))[0]
                found = Scaling(weight, bias, eps, centred)
                if bool((found(inputs) - wanted).abs().max() <= _TOLERANCE * wanted.abs().max()):
                    return found
    return None


def _epsilons(norm: Norm) -> Iterable[float]:
    found = [getattr(norm, name) for name in _EPSILONS if isinstance(getattr(norm, name, None), float)]
    return found or [0.0]
