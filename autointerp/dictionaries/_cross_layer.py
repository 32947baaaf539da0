"""Cross-layer transcoders: features that read one layer and write to that layer's MLP output and to every later one's."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from autointerp.dictionaries._coder import Coder, Parts, weighted_sums
from autointerp.dictionaries._protocol import Sparse
from autointerp.dictionaries._stored import Stored
from autointerp.errors import DictionaryError
from autointerp.records import Site


class CrossLayer(Coder):
    """The features of one layer of a cross-layer transcoder, as a dictionary.

    `direction` is what a feature writes to the first site, in its own layer, and `writes` what it writes to all of them.
    `decode` is this layer's share of the first site's reconstruction, and the bias: features of earlier layers have theirs.
    """

    def __init__(
        self,
        name: str,
        fingerprint: str,
        sites: tuple[Site, tuple[Site, ...]],
        parts: Parts,
        decoders: Stored,
    ) -> None:
        """`decoders` is [features, output sites, output width], of which the first is the one in `parts`."""
        super().__init__(name, fingerprint, (sites[0], sites[1][0]), parts)
        self._sites, self._decoders = sites[1], decoders

    @property
    def output_sites(self) -> tuple[Site, ...]:
        """One site a layer, from this layer on."""
        return self._sites

    def directions_at(self, site: Site, start: int = 0, stop: int | None = None) -> Tensor:
        """What one unit of each feature's activation writes to a site, [features, output_width]."""
        self._check_site(site)
        if site == self.output_site:
            return self.directions(start, stop)
        stop = self.size if stop is None else min(stop, self.size)
        return self._rows(self._decoders.select(1, self._sites.index(site)), start, stop)

    def writes(self, feature: int) -> dict[Site, Tensor]:
        """What one unit of a feature's activation writes, by site."""
        self._check_feature(feature)
        rows = self._decoders.select(0, feature).read()
        return dict(zip(self._sites, rows, strict=True))

    def share(self, acts: Sparse, positions: int, site: Site) -> Tensor:
        """What these features write to a site, without bias, [positions, output_width]."""
        return weighted_sums(acts, positions, self._at(site).to(acts.values.device))

    def constant(self, x: Tensor | None) -> Tensor:
        """The bias at the first site, and what the connection past the features makes of x [positions, width]."""
        empty = torch.zeros(0, dtype=torch.int64)
        positions = 1 if x is None else len(x)
        return self.decode(Sparse(empty, empty, torch.zeros(0)), positions, x)

    @cached_property
    def _later(self) -> dict[Site, Tensor]:
        return {site: self.directions_at(site).contiguous() for site in self._sites[1:]}

    def _at(self, site: Site) -> Tensor:
        self._check_site(site)
        return self._decoder if site == self.output_site else self._later[site]


class CrossLayerTranscoder:
    """All layers of a cross-layer transcoder together: encodes and decodes the MLPs of a model at once."""

    def __init__(self, layers: Sequence[CrossLayer]) -> None:
        """Raises DictionaryError where a layer's features write elsewhere than all layers from theirs on."""
        self.layers = tuple(layers)
        sites = tuple(layer.output_site for layer in layers)
        for place, layer in enumerate(layers):
            if layer.output_sites != sites[place:]:
                written = ", ".join(map(str, layer.output_sites))
                raise DictionaryError(f"{layer.name} writes to {written}: the files of other layers do not go with it")

    def encode(self, x: Tensor) -> list[Sparse]:
        """Activations of every layer's features; x [layers, positions, width]."""
        return [layer.encode(rows) for layer, rows in zip(self.layers, x, strict=True)]

    def decode(self, acts: Sequence[Sparse], positions: int, x: Tensor | None = None) -> Tensor:
        """The reconstruction of every layer's output, [layers, positions, output_width].

        x [layers, positions, width] is what was encoded, needed where there is a connection past the features.
        """
        out = []
        for place, target in enumerate(self.layers):
            constant = target.constant(None if x is None else x[place])
            shares = [
                layer.share(part, positions, target.output_site)
                for layer, part in zip(self.layers[: place + 1], acts, strict=False)
            ]
            out.append(constant + torch.stack(shares).sum(0))
        return torch.stack(out)
