"""How an extension takes part in the forward pass of a model of transformers, whose modules keep their names and places.

The module whose output is `mlp_out` of the block before adds what the extension writes, so that block's sum holds as before.
Every block behind it computes without the units' share of the stream and passes that share on; at the final norm it ends, and
the head adds the units' effects. What is read is decided by the stream alone: an edit at the place acts on all that follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import torch
from torch import Tensor, nn

from autointerp.errors import OrganismError
from autointerp.eval.organisms.planted.network._extension import Extension
from autointerp.models import Anatomy, Point
from autointerp.records import Site, SiteKind


@dataclass(eq=False)
class Channel:
    """What the modules of one model tell each other during one pass.

    Attributes
    ----------
    wanted, live: what the units are to be, and where there is text; set when a pass begins.
    entry, attention: the terms of the stream that are known before the last is written.
    read: the units' activations, set where the stream is first read after its place.
    """

    extension: Extension
    on: bool = True
    wanted: Tensor | None = None
    live: Tensor | None = None
    entry: Tensor | None = None
    attention: Tensor | None = None
    read: Tensor | None = None

    def begin(self, ids: Tensor, live: Tensor) -> None:
        """Start a pass over ids [batch, tokens]."""
        self.wanted, self.live = self.extension.values(ids, live), live
        self.entry = self.attention = self.read = None

    def write(self, last: Tensor) -> Tensor:
        """The last term of the stream with what the units write."""
        if not self._about(last) or self.entry is None or self.attention is None or self.wanted is None:
            return last
        assert self.live is not None
        return last + self.extension.written(self.wanted, self.entry + self.attention + last, self.live)

    def share(self, stream: Tensor) -> Tensor | None:
        """The units' share of the stream; None for a tensor that is not the stream of this pass."""
        if not self._about(stream):
            return None
        assert self.live is not None
        if self.read is None:
            self.read = self.extension.activations(stream, self.live)
        return self.extension.shares(self.read)

    def effects(self, logits: Tensor) -> Tensor:
        """The logits with the units' effects."""
        if not self._about(logits) or self.read is None:
            return logits
        return logits + self.extension.effects(self.read)

    def _about(self, x: Tensor) -> bool:
        """Whether a tensor belongs to the pass; modules are also tried out by themselves."""
        return self.on and self.live is not None and x.shape[:2] == self.live.shape

    def __deepcopy__(self, memo: Any) -> Self:
        # A module that is copied to be tried out takes no model with it.
        del memo
        return self


class _Writing:
    """Mixed into the module whose output is the last term."""

    channel: Channel

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.channel.write(super().forward(*args, **kwargs))  # type: ignore[misc]


class _Attending:
    """Mixed into the module whose output is what attention adds: its last layer, as its own code is read for its pattern."""

    channel: Channel
    element: int | str | None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        out = super().forward(*args, **kwargs)  # type: ignore[misc]
        self.channel.attention = out if self.element is None else out[self.element]
        return out


class _Entering:
    """Mixed into the block before the place."""

    channel: Channel

    def forward(self, stream: Tensor, *args: Any, **kwargs: Any) -> Any:
        self.channel.entry = stream
        return super().forward(stream, *args, **kwargs)  # type: ignore[misc]


class _Passing:
    """Mixed into a block behind the place: computes without the units' share and passes it on."""

    channel: Channel

    def forward(self, stream: Tensor, *args: Any, **kwargs: Any) -> Any:
        share = self.channel.share(stream)
        if share is None:
            return super().forward(stream, *args, **kwargs)  # type: ignore[misc]
        out = super().forward(stream - share, *args, **kwargs)  # type: ignore[misc]
        return (out[0] + share, *out[1:]) if isinstance(out, tuple) else out + share


class _Closing:
    """Mixed into the final norm: the units' share ends here."""

    channel: Channel

    def forward(self, stream: Tensor, *args: Any, **kwargs: Any) -> Any:
        share = self.channel.share(stream)
        return super().forward(stream if share is None else stream - share, *args, **kwargs)  # type: ignore[misc]


class _Answering:
    """Mixed into the head."""

    channel: Channel

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.channel.effects(super().forward(*args, **kwargs))  # type: ignore[misc]


@dataclass(frozen=True)
class Places:
    """The paths of the modules that take part, in a model with a certain anatomy."""

    entering: str
    attending: str
    element: int | str | None
    writing: str
    passing: tuple[str, ...]
    closing: str
    answering: str

    @classmethod
    def found(cls, anatomy: Anatomy, depth: int) -> Self:
        """Where they are for an extension behind `depth` blocks. Raises OrganismError with all that is missing."""
        reasons = obstacles(anatomy, depth)
        if reasons:
            raise OrganismError(f"nothing can be planted in this host: {'; '.join(reasons)}")
        assert anatomy.norm is not None
        assert anatomy.unembed is not None
        attention, last = (anatomy.points[Site(layer=depth - 1, kind=kind)] for kind in _TERMS)
        assert isinstance(attention, Point)
        assert isinstance(last, Point)
        attending = _last_module(anatomy, depth - 1, attention)
        return cls(
            entering=anatomy.blocks[depth - 1],
            attending=attending,
            element=attention.element if attending == attention.module else None,
            writing=_last_module(anatomy, depth - 1, last),
            passing=anatomy.blocks[depth:],
            closing=anatomy.norm,
            answering=anatomy.unembed,
        )

    def attach(self, network: nn.Module, extension: Extension) -> Channel:
        """Let an extension take part in a model."""
        channel = Channel(extension)
        for path, part in (
            (self.entering, _Entering),
            (self.attending, _Attending),
            (self.writing, _Writing),
            *((path, _Passing) for path in self.passing),
            (self.closing, _Closing),
            (self.answering, _Answering),
        ):
            module: Any = network.get_submodule(path)
            module.__class__ = _mixed_with(part, module.__class__)
            module.channel = channel
        attending: Any = network.get_submodule(self.attending)
        attending.element = self.element
        return channel


_TERMS = (SiteKind.ATTN_OUT, SiteKind.MLP_OUT)


def obstacles(anatomy: Anatomy, depth: int) -> list[str]:
    """Every reason why nothing can be planted behind `depth` blocks of a model with this anatomy."""
    reasons = []
    if not anatomy.causal:
        reasons.append("it is no causal model")
    if anatomy.logits is None or anatomy.unembed is None:
        reasons.append("it has no linear head, so there are no logits to move")
    if anatomy.norm is None:
        reasons.append("it has no final norm")
    if anatomy.softcap is not None:
        reasons.append("it squashes its logits, so no effect on them would have a known size")
    if not 1 <= depth <= len(anatomy.blocks):
        reasons.append(f"there is no block before place {depth} of its stream: it has {len(anatomy.blocks)}")
        return reasons
    total = Site(layer=depth - 1, kind=SiteKind.RESID_POST)
    terms = {term for rule in anatomy.additions if rule.total == total and rule.norm is None for term in rule.terms}
    for kind in _TERMS:
        site = Site(layer=depth - 1, kind=kind)
        point = anatomy.points.get(site)
        if site not in terms or not isinstance(point, Point) or point.end != "output":
            reasons.append(f"its {site} is no term of its stream that can be added to")
    last = anatomy.points.get(Site(layer=depth - 1, kind=SiteKind.MLP_OUT))
    if isinstance(last, Point) and last.element is not None:
        reasons.append(f"its mlp_out.{depth - 1} is one of several outputs of {last.module}")
    return reasons


def _last_module(anatomy: Anatomy, layer: int, point: Point) -> str:
    """The module that computes a term itself: the linear layer or norm at the end of a part, where one is known to be."""
    for rule in anatomy.projections:
        if rule.target.layer == layer and anatomy.points[rule.target] == point:
            return rule.norm or rule.path
    return point.module


@cache
def _mixed_with(part: type, module_class: type) -> type:
    return type(f"Extended{module_class.__name__}", (part, module_class), {})


def live_positions(ids: Tensor, start: int | None, mask: Tensor | None) -> Tensor:
    """Where there is text after the token that starts it: bool [batch, tokens]."""
    live = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask.bool()
    # A text starts once; what reads like its start again is padding or a text behind it.
    return live if start is None else live & (ids != start)
