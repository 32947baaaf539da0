"""Difference of each source's output times gradient at each target, for all edges at once.

Gradients are kept where they are small: as queries, keys and values, before they are taken back to the stream. Points along
the way between two prompts are added up there, so that the products over the width are formed once, not once a point.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from autointerp.circuits._anatomised import Parts, Slopes, through
from autointerp.circuits._scaling import Norm, Scaling
from autointerp.records import SiteKind


@dataclass(eq=False)
class _Reading:
    """What some targets that read one stream have gathered.

    Attributes
    ----------
    total: gradients behind the norm divided by its spread, [prompts, tokens, targets, head width], or before the norm where the
        norm has no formula.
    along: of some points what each gradient says of the direction of the stream itself, [points, prompts, targets, tokens].
    streams: that direction, [points, prompts, tokens, width].
    """

    total: Tensor | None = None
    along: list[Tensor] = field(default_factory=list)
    streams: list[Tensor] = field(default_factory=list)

    def add(self, gradients: Tensor) -> None:
        """Those of some points, [points, prompts, …]."""
        found = gradients.sum(0)
        self.total = found if self.total is None else self.total + found


class Products:
    """The sum of the gradients at all points, times the differences [prompts, sources, tokens, width]."""

    def __init__(self, parts: Parts, difference: Tensor) -> None:
        self.parts, self.difference = parts, difference
        graph = parts.graph
        self._found = difference.new_zeros(len(difference), *graph.allowed.shape)
        self._readings = [_Reading() for _ in range(2 * graph.layers + 1)]

    def add(self, slopes: Slopes) -> None:
        """Take in the gradients of some points: the rows of `slopes` are all prompts at one point, then at the next."""
        for layer, own in enumerate(self.parts.layers):
            pre = slopes.sites[self.parts.site(layer, SiteKind.RESID_PRE)]
            parts = [
                slopes.grads[self.parts.site(layer, kind)].unflatten(2, one.weight.shape[:2])
                for kind, one in own.projections.items()
            ]
            heads, reading = torch.cat(parts, 2), self._readings[2 * layer]
            if own.scaling is None:
                self._bring(reading, own.norm, pre, torch.einsum("pthe,hed->phtd", heads, own.readers))
            else:
                self._take(reading, own.scaling, own.folded, pre, heads)
            mid = pre if own.parallel else pre + slopes.sites[self.parts.site(layer, SiteKind.ATTN_OUT)]
            gradient = slopes.grads[self.parts.site(layer, SiteKind.MLP_IN)]
            if own.mlp_scaling is None:
                self._bring(self._readings[2 * layer + 1], own.mlp_norm, mid, gradient[:, None])
            else:
                self._take(self._readings[2 * layer + 1], own.mlp_scaling, None, mid, gradient[:, :, None])
        stream, gradient = slopes.at_the_end()
        if self.parts.final_scaling is None:
            self._bring(self._readings[-1], self.parts.final, stream, gradient[:, None])
        else:
            self._take(self._readings[-1], self.parts.final_scaling, None, stream, gradient[:, :, None])

    def table(self) -> Tensor:
        """For every edge, [prompts, targets, sources]."""
        graph = self.parts.graph
        for layer, own in enumerate(self.parts.layers):
            heads, reading = graph.attention_targets(layer), self._readings[2 * layer]
            weight = own.readers if own.scaling is None else own.folded
            self._fill(heads, graph.attention_sources(layer).start, reading, own.scaling, weight)
            one = slice(heads.stop, heads.stop + 1)
            self._fill(one, graph.before_mlp(layer), self._readings[2 * layer + 1], own.mlp_scaling, None)
        last = slice(len(graph.targets) - 1, len(graph.targets))
        self._fill(last, len(graph.sources), self._readings[-1], self.parts.final_scaling, None)
        return self._found

    def _points(self, rows: Tensor) -> Tensor:
        """Rows [points × prompts, …] as [points, prompts, …]."""
        return rows.reshape(-1, len(self.difference), *rows.shape[1:])

    def _bring(self, reading: _Reading, norm: Norm, stream: Tensor, gradient: Tensor) -> None:
        """Add gradients [rows, targets, tokens, width] behind a norm without a formula."""
        reading.add(self._points(through(norm, stream, gradient)))

    def _take(
        self, reading: _Reading, scaling: Scaling, weight: Tensor | None, stream: Tensor, gradient: Tensor
    ) -> None:
        """Add gradients [rows, tokens, targets, head width] behind a norm that read `stream`.

        `weight` [targets, head width, width] is what lies between norm and gradient, the norm's own included; None for the
        norm's alone.
        """
        if weight is None:
            gradient = gradient * scaling.weight
        if scaling.eps is None:
            reading.add(self._points(gradient))
            return
        core = scaling.core(stream)
        spread = scaling.spread(core)[:, :, None]
        if weight is None:
            along = (gradient * core[:, :, None]).sum(-1)
        else:
            along = (gradient * torch.einsum("ptd,hed->pthe", core, weight)).sum(-1)
        reading.add(self._points(gradient / spread[..., None]))
        reading.along.append(self._points((along / (core.shape[-1] * spread**3)).transpose(1, 2)))
        reading.streams.append(self._points(core))

    def _fill(
        self, targets: slice, sources: int, reading: _Reading, scaling: Scaling | None, weight: Tensor | None
    ) -> None:
        difference, total = self.difference[:, :sources], reading.total
        assert total is not None
        if scaling is not None:
            total = total.transpose(1, 2)
            total = total if weight is None else torch.einsum("phte,hed->phtd", total, weight)
        found = total.flatten(2) @ difference.flatten(2).transpose(1, 2)
        if scaling is not None and scaling.centred:
            found = found - total.mean(-1) @ difference.sum(-1).transpose(1, 2)
        if reading.streams:
            # [prompts, tokens, points, width] with [prompts, tokens, width, sources].
            shares = torch.cat(reading.streams).permute(1, 2, 0, 3) @ difference.permute(0, 2, 3, 1)
            along = torch.cat(reading.along).permute(1, 2, 3, 0).flatten(2)
            found = found - along @ shares.flatten(1, 2)
        self._found[:, targets, :sources] = found
