"""Where in a traced module a site is, and how it is read and written there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, Self

from torch import Tensor


class SitePoint(Protocol):
    """A place that a trace reads and writes.

    `module` is the path of the module that has to be handed to `read` and `write`; `eager` says that only an attention
    written out in PyTorch computes the place at all.
    """

    @property
    def module(self) -> str: ...

    @property
    def eager(self) -> bool: ...

    def within(self, path: str) -> SitePoint:
        """The same place in a module that is itself at `path`."""
        ...

    def read(self, module: Any) -> Tensor:
        """The activations, inside a trace."""
        ...

    def write(self, module: Any, value: Tensor) -> None:
        """Put `value` in the place of the activations, for everything that is computed after them."""
        ...


@dataclass(frozen=True, slots=True)
class Heads:
    """How attention divides its width: `count` heads of `size` each, sharing `shared` keys and values."""

    count: int
    shared: int
    size: int


@dataclass(frozen=True, slots=True)
class Point:
    """A module's input or output, whole.

    Attributes
    ----------
    module: its path; in an adapter relative to the block, or to the model's stem for sites of no layer.
    end: "input" (the first argument) or "output".
    element: which part of an output that is a tuple or a mapping.
    overwritten: that the model changes the tensor in place afterwards, so that a reading has to be a copy.
    """

    module: str
    end: str = "output"
    element: int | str | None = None
    overwritten: bool = False
    eager: ClassVar[bool] = False

    def within(self, path: str) -> Self:
        """See `SitePoint`."""
        return replace(self, module=joined(path, self.module))

    def read(self, module: Any) -> Tensor:
        """See `SitePoint`; `module` is the traced one that `self.module` names."""
        value = getattr(module, self.end)
        activations: Tensor = value if self.element is None else value[self.element]
        return activations.clone() if self.overwritten else activations

    def write(self, module: Any, value: Tensor) -> None:
        """See `SitePoint`."""
        # An expanded value has no memory of its own, and some models go on to write into it.
        value = value.contiguous()
        if self.element is None:
            setattr(module, self.end, value)
            return
        whole = getattr(module, self.end)
        if isinstance(self.element, str):
            whole[self.element] = value
        else:
            parts = list(whole)
            parts[self.element] = value
            whole = tuple(parts)
        setattr(module, self.end, whole)


@dataclass(frozen=True, slots=True)
class Columns:
    """Some columns of a module's output: those from `start` to `stop` in each of `groups` equal groups of columns."""

    module: str
    start: int
    stop: int
    groups: int = 1
    eager: ClassVar[bool] = False

    def within(self, path: str) -> Self:
        """See `SitePoint`."""
        return replace(self, module=joined(path, self.module))

    def read(self, module: Any) -> Tensor:
        """See `SitePoint`."""
        whole = module.output
        columns: Tensor = whole.unflatten(-1, (self.groups, -1))[..., self.start : self.stop].flatten(-2)
        return columns

    def write(self, module: Any, value: Tensor) -> None:
        """See `SitePoint`."""
        whole = module.output.clone()
        whole.unflatten(-1, (self.groups, -1))[..., self.start : self.stop] = value.unflatten(-1, (self.groups, -1))
        module.output = whole


@dataclass(frozen=True, slots=True)
class Fused:
    """Queries (`index` 0), keys (1) or values (2) of a layer that computes the three at once.

    They lie one behind the other, or, where `interleaved`, a head's three behind each other and head after head (then
    there are as many keys as queries).
    """

    module: str
    index: int
    interleaved: bool = False

    def sized(self, heads: Heads) -> Columns:
        """The columns that they are in a model with these heads."""
        if self.interleaved:
            return Columns(self.module, self.index * heads.size, (self.index + 1) * heads.size, heads.count)
        ends = [heads.count * heads.size]
        ends += [ends[0] + heads.shared * heads.size, ends[0] + 2 * heads.shared * heads.size]
        return Columns(self.module, 0 if self.index == 0 else ends[self.index - 1], ends[self.index])


@dataclass(frozen=True, slots=True)
class Pattern:
    """What each token attends to, [batch, heads, queries, keys], inside the attention function of transformers.

    It is read after the softmax (and the dropout, which does nothing outside training), just before the values are mixed
    with it, so what is written there is what mixes them. `call` and `weights` are the names that nnsight gives to the call
    of the attention function and to the last operation on the pattern in it.
    """

    module: str
    call: str = "attention_interface_1"
    weights: str = "nn_functional_dropout_0"
    eager: ClassVar[bool] = True

    def within(self, path: str) -> Self:
        """See `SitePoint`."""
        return replace(self, module=joined(path, self.module))

    def read(self, module: Any) -> Tensor:
        """See `SitePoint`."""
        pattern: Tensor = self._operation(module).output
        return pattern

    def write(self, module: Any, value: Tensor) -> None:
        """See `SitePoint`."""
        self._operation(module).output = value

    def _operation(self, module: Any) -> Any:
        return getattr(getattr(module.source, self.call).source, self.weights)


def joined(*parts: str) -> str:
    """A module path from its parts; empty ones stand for the module itself."""
    return ".".join(part for part in parts if part)
