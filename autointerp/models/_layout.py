"""Which module of a traced model holds which site, and in which order the forward pass comes by them."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Any

from autointerp.errors import ModelError
from autointerp.models._adapters import Adapter
from autointerp.models._points import Point
from autointerp.records import Site, SiteKind


class Layout:
    """The sites of one model. `traced` is the model as nnsight wraps it."""

    def __init__(self, name: str, traced: Any, adapter: Adapter) -> None:
        self.name, self.traced, self.adapter = name, traced, adapter

    @property
    def layers(self) -> int:
        """How many blocks there are."""
        return len(self.blocks)

    @property
    def blocks(self) -> Any:
        """The traced blocks, in the order of the forward pass."""
        return attrgetter(self.adapter.blocks)(self.traced)

    @property
    def head(self) -> Any:
        """The traced module whose output is the logits."""
        return attrgetter(self.adapter.unembed)(self.traced)

    def order(self, sites: Iterable[Site]) -> list[Site]:
        """Sites as the forward pass reaches them. Raises ModelError for one that the model does not have."""
        kinds, layers = list(self.adapter.points), self.layers

        def place(site: Site) -> tuple[int, int]:
            if site.kind is SiteKind.EMBED:
                return (-1, 0)
            if site.kind is SiteKind.FINAL:
                return (layers, 0)
            if site.kind not in kinds:
                known = ", ".join(["embed", *kinds, "final"])
                raise ModelError(f"{self.name} has no site {site.kind}: there are {known}")
            if site.layer >= layers:
                raise ModelError(f"{self.name} has no layer {site.layer}: there are 0 to {layers - 1}")
            return (site.layer, kinds.index(site.kind))

        return sorted(sites, key=place)

    def find(self, site: Site) -> tuple[Any, Point]:
        """The traced module that holds a site, and where in it."""
        if site.kind in (SiteKind.EMBED, SiteKind.FINAL):
            point = self.adapter.embed if site.kind is SiteKind.EMBED else self.adapter.final
            return attrgetter(point.module)(self.traced), point
        point = self.adapter.points[site.kind]
        block = self.blocks[site.layer]
        return (attrgetter(point.module)(block) if point.module else block), point
