"""Interventions as data: where, on which positions, which operation, with which value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor

from autointerp.errors import ModelError
from autointerp.records import Site


class Operation(StrEnum):
    """What an edit does with the activation x and its value v."""

    SET = "set"
    ADD = "add"
    SCALE = "scale"
    PROJECT_OUT = "project_out"


@dataclass(frozen=True, slots=True, eq=False)
class Edit:
    """One change of the activations at a site.

    Attributes
    ----------
    site: where.
    operation: set x to v, add v to x, multiply x by v, or take the component along v out of x.
    value: broadcastable to [batch, tokens, width]; a vector of [width] for `project_out`.
    positions: bool [batch, tokens], True where the edit applies; None for everywhere.
    """

    site: Site
    operation: Operation
    value: Tensor
    positions: Tensor | None = None

    def apply(self, x: Tensor) -> Tensor:
        """The edited activations; x [batch, tokens, width] itself is left as it was."""
        value = self.value.to(device=x.device, dtype=x.dtype)
        try:
            # Expanded to x and no further: a value of more texts than x would change the shape of everything after it.
            edited = _OPERATIONS[self.operation](x, value).expand_as(x)
            if self.positions is None:
                return edited
            return torch.where(self.positions.to(x.device).expand(x.shape[:2])[..., None], edited, x)
        except RuntimeError as error:
            shapes = f"value {tuple(value.shape)} against activations {tuple(x.shape)}"
            if self.positions is not None:
                shapes += f" at positions {tuple(self.positions.shape)}"
            raise ModelError(f"the edit at {self.site} does not fit: {shapes}") from error


def _project_out(x: Tensor, v: Tensor) -> Tensor:
    # A vector of length zero has no direction to take out.
    unit: Tensor = v / v.norm().clamp(min=torch.finfo(v.dtype).tiny)
    without: Tensor = x - (x @ unit)[..., None] * unit
    return without


_OPERATIONS: dict[Operation, Callable[[Tensor, Tensor], Tensor]] = {
    Operation.SET: lambda x, v: v.expand_as(x),
    Operation.ADD: lambda x, v: x + v,
    Operation.SCALE: lambda x, v: x * v,
    Operation.PROJECT_OUT: _project_out,
}
