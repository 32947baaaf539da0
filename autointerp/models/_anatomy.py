"""What is where in one model: the places of its sites in the order of the forward pass, and how they add up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from autointerp.models._points import Point, SitePoint
from autointerp.records import Site, SiteKind


@dataclass(frozen=True, slots=True)
class Sum:
    """That one kind of site is the sum of others, at every layer.

    `norm` is the path of a norm that the sum goes through first, in an adapter relative to the block: the stream of an
    encoder in the manner of BERT is normed after each addition.
    """

    total: SiteKind
    terms: tuple[SiteKind, ...]
    norm: str | None = None


#: Attention and MLP add to the stream, one after the other or both to the same.
RESIDUAL = (Sum(SiteKind.RESID_POST, (SiteKind.RESID_PRE, SiteKind.ATTN_OUT, SiteKind.MLP_OUT)),)


@dataclass(frozen=True, slots=True)
class Addition:
    """A `Sum` at one layer; `norm` is the path of the norm in the model."""

    total: Site
    terms: tuple[Site, ...]
    norm: str | None


@dataclass(frozen=True, slots=True)
class Projection:
    """That the module at `path` maps site `source` to site `target`, through the norm at `norm` where there is one."""

    source: Site
    target: Site
    path: str
    norm: str | None


@dataclass(frozen=True, slots=True)
class Call:
    """The names under which a model takes its inputs, None for what it does not take.

    `first` is the number of the first position, and `always` what it is called with in any case.
    """

    ids: str = "input_ids"
    mask: str | None = "attention_mask"
    positions: str | None = "position_ids"
    first: int = 0
    always: Mapping[str, Any] = field(default_factory=dict)

    def keywords(self, ids: Tensor, mask: Tensor | None) -> dict[str, Any]:
        """What to call the model with for ids [batch, tokens] and a mask of the same shape, True at text."""
        keywords = {self.ids: ids, **self.always}
        if mask is not None:
            if self.mask is not None:
                keywords[self.mask] = mask.long()
            if self.positions is not None:
                # Counted over the text alone, so that padding on the left moves nothing.
                keywords[self.positions] = (mask.long().cumsum(1) - 1).clamp(min=0) + self.first
        return keywords


@dataclass(frozen=True, slots=True, eq=False)
class Anatomy:
    """One model's map.

    Attributes
    ----------
    points: every site's place, `module` being a path in the model, in the order in which the forward pass comes by them.
    blocks: the path of each block whose output is the residual stream and nothing else; empty where that is not so.
    causal: whether no token sees a later one.
    call: how the model is called.
    logits: the place of the logits.
    additions, projections: what has to hold between the activations of one run.
    unembed: the path of the layer that maps the final site to the logits.
    norm: the path of the norm between the residual stream and that layer.
    softcap: the bound c that logits are squashed to by c · tanh(x / c) after that layer.
    """

    points: Mapping[Site, SitePoint]
    blocks: tuple[str, ...] = ()
    causal: bool = True
    call: Call = field(default_factory=Call)
    logits: Point | None = None
    additions: tuple[Addition, ...] = ()
    projections: tuple[Projection, ...] = ()
    unembed: str | None = None
    norm: str | None = None
    softcap: float | None = None
