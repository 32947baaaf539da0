"""Gradients of a linear objective, as data: of which activations or logits, with which weights, at which tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from autointerp.errors import ModelError
from autointerp.models._apply import Block, Frame, cells_of
from autointerp.models._edits import read_positions
from autointerp.models._positions import And, Positions
from autointerp.models._tensors import from_plain, plain
from autointerp.records import Site, SiteKind


@dataclass(frozen=True, slots=True, eq=False)
class Objective:
    """A number for each text: the sum of weights times logits, or times the activations at a site, over some tokens.

    Texts of a batch are independent of each other, so the gradient of the sum over texts is, in each row, the gradient of
    that row's number.

    Attributes
    ----------
    weights: broadcastable to [batch, tokens, vocabulary], or to [batch, tokens, width] with a site; at a `pattern` site to
        [batch, heads, tokens, tokens]. The difference of two logits has 1 and -1 at their ids.
    site: whose activations, after the edits there; None for the logits.
    positions: at which tokens: a selection, or bool [batch, tokens]; None for all that are not padding.
    """

    weights: Tensor
    site: Site | None = None
    positions: Positions | Tensor | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data that JSON can hold, the weights bit by bit."""
        positions = self.positions
        return {
            "weights": plain(self.weights),
            "site": None if self.site is None else self.site.model_dump(mode="json"),
            "positions": plain(positions) if isinstance(positions, Tensor) else positions and positions.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Objective:
        """What `to_dict` wrote. Raises ModelError for anything else."""
        try:
            site = data["site"]
            where = None if site is None else Site.model_validate(site)
            return cls(from_plain(data["weights"]), where, read_positions(data["positions"]))
        except (KeyError, TypeError, ValidationError) as error:
            raise ModelError(f"not an objective as data: {data!r:.80}; write it with Objective.to_dict") from error

    def of(self, values: Tensor, block: Block, frame: Frame) -> Tensor:
        """The number of each text of the block, [texts]; `values` are those of the whole forward pass.

        Raises ModelError where the weights do not fit.
        """
        queries_first = self.site is not None and self.site.kind is SiteKind.PATTERN
        x = values.transpose(1, 2) if queries_first else values
        weights = self.weights.to(values)
        everywhere = And(())
        try:
            weights = weights.reshape((1,) * (values.ndim - weights.ndim) + weights.shape)
            weights = weights.transpose(1, 2) if queries_first else weights
            cells = cells_of(everywhere if self.positions is None else self.positions, block, frame, weights)
            terms = (x[cells.index()] * cells.value).flatten(1).sum(1)
        except (ModelError, RuntimeError) as error:
            what = "the logits" if self.site is None else str(self.site)
            shapes = f"weights {tuple(self.weights.shape)} against {tuple(values.shape)}"
            raise ModelError(f"the objective at {what} does not fit: {shapes}") from error
        return terms.new_zeros(len(block.text.ids)).index_add(0, cells.rows - block.row, terms)


def gradients(objectives: Sequence[Tensor], sites: dict[Site, Tensor]) -> dict[Site, Tensor]:
    """The gradient of each objective (a number each, with its graph) at each site, [objectives, *shape of the site]."""
    found: dict[Site, list[Tensor]] = {site: [] for site in sites}
    for number, objective in enumerate(objectives):
        if not objective.requires_grad:
            parts: Sequence[Tensor | None] = [None] * len(sites)
        else:
            parts = torch.autograd.grad(
                objective, list(sites.values()), retain_graph=number + 1 < len(objectives), allow_unused=True
            )
        for (site, value), part in zip(sites.items(), parts, strict=True):
            found[site].append(torch.zeros_like(value) if part is None else part)
    return {site: torch.stack(parts) for site, parts in found.items()}
