"""Where in a traced module a site is, and how it is read and written there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Point:
    """A module's input or output. `module` is relative to the block, or to the model for sites of no layer.

    `element` picks from a module that returns a tuple.
    """

    module: str
    end: str
    element: int | None = None

    def read(self, module: Any) -> Tensor:
        """The activations of the site, [batch, tokens, width]; `module` is the traced one that `self.module` names."""
        value = getattr(module, self.end)
        activations: Tensor = value if self.element is None else value[self.element]
        return activations

    def write(self, module: Any, value: Tensor) -> None:
        """Put `value` in the place of the activations, for everything that is computed after them."""
        if self.element is None:
            setattr(module, self.end, value)
        else:
            whole = list(getattr(module, self.end))
            whole[self.element] = value
            setattr(module, self.end, tuple(whole))
