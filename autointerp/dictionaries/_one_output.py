"""What is the same for every dictionary that writes to one site alone."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from autointerp.errors import DictionaryError, FeatureError
from autointerp.records import Site


class OneOutput(ABC):
    """A base for dictionaries, whether of files or of a model's own parts."""

    def __init__(
        self, name: str, fingerprint: str, sites: tuple[Site, Site], size: int, width: int, output_width: int
    ) -> None:
        self.name, self.fingerprint = name, fingerprint
        self.input_site, self.output_site = sites
        self.size, self.width, self.output_width = size, width, output_width

    @property
    def output_sites(self) -> tuple[Site, ...]:
        """The one site that is written to."""
        return (self.output_site,)

    @abstractmethod
    def direction(self, feature: int) -> Tensor:
        """What one unit of a feature's activation writes, [output_width]."""

    @abstractmethod
    def directions(self, start: int = 0, stop: int | None = None) -> Tensor:
        """Those of the features from `start` to before `stop`, [features, output_width]."""

    def directions_at(self, site: Site, start: int = 0, stop: int | None = None) -> Tensor:
        """The same, for a site that is written to."""
        self._check_site(site)
        return self.directions(start, stop)

    def writes(self, feature: int) -> dict[Site, Tensor]:
        """What one unit of a feature's activation writes, by site."""
        return {self.output_site: self.direction(feature)}

    def scale(self, x: Tensor) -> Tensor:
        """One at every position."""
        return torch.ones(x.shape[:-1], device=x.device)

    def _check_site(self, site: Site) -> None:
        if site not in self.output_sites:
            written = ", ".join(map(str, self.output_sites))
            raise DictionaryError(f"{self.name} does not write to {site}: it writes to {written}")

    def _check_feature(self, feature: int) -> None:
        if not 0 <= feature < self.size:
            raise FeatureError(f"{self.name} has no feature {feature}: give a number from 0 to {self.size - 1}")

    def _check_width(self, x: Tensor) -> None:
        if x.shape[-1] != self.width:
            raise DictionaryError(f"{self.name} reads {self.input_site} of width {self.width}, was given {x.shape[-1]}")
