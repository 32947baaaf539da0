"""What a dictionary can do, what a format plugin has to offer, and what it is asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

from torch import Tensor

from autointerp.dictionaries._names import Where, sites_of
from autointerp.records import Site

#: Activations at a site on text that the caller has chosen, [positions, width]: what PCA is fitted on.
Sample = Callable[[Site], Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Sparse:
    """Activations that are not zero: `values[j]` is feature `features[j]` at position `rows[j]`, sorted by row."""

    rows: Tensor
    features: Tensor
    values: Tensor


@runtime_checkable
class Dictionary(Protocol):
    """Features that read one site of a model and write to one or several. Activations are never negative.

    An autoencoder reads and writes the same site. A transcoder reads one and writes another, as an MLP does; a feature of a
    cross-layer transcoder writes to several. An intervention adds to every site in `writes(feature)` its vector, times the
    amount by which the activation is to change, times `scale` of what was read at the position.

    Attributes
    ----------
    fingerprint: of the weights and the sites; equal where two dictionaries compute the same.
    size, width, output_width: how many features, and how wide the input site and the output sites are.
    output_site: the first site that is written to.
    """

    name: str
    fingerprint: str
    size: int
    width: int
    output_width: int
    input_site: Site
    output_site: Site

    @property
    def output_sites(self) -> tuple[Site, ...]:
        """Every site that features write to, `output_site` first."""
        ...

    def encode(self, x: Tensor) -> Sparse:
        """Activations of all features, float32, on the device of x; x [positions, width] of any floating type."""
        ...

    def encode_one(self, x: Tensor, feature: int) -> Tensor:
        """Activation of one feature, [...] for x [..., width]: equal to that of `encode`."""
        ...

    def decode(self, acts: Sparse, positions: int, x: Tensor | None = None) -> Tensor:
        """What the activations stand for at `output_site`, [positions, output_width].

        x [positions, width] is what was encoded. Only dictionaries with a connection past the features, or that normalise
        their input, need it: these raise DictionaryError without.
        """
        ...

    def direction(self, feature: int) -> Tensor:
        """What one unit of a feature's activation writes to `output_site`, float32 [output_width]."""
        ...

    def directions(self, start: int = 0, stop: int | None = None) -> Tensor:
        """Those of the features from `start` to before `stop`, [features, output_width]."""
        ...

    def directions_at(self, site: Site, start: int = 0, stop: int | None = None) -> Tensor:
        """The same at any of `output_sites`; DictionaryError for another site."""
        ...

    def writes(self, feature: int) -> dict[Site, Tensor]:
        """What one unit of a feature's activation writes, at every site it writes to."""
        ...

    def scale(self, x: Tensor) -> Tensor:
        """By how much directions are longer at each position, [...] for x [..., width].

        One, except in a dictionary that divides every input by a norm of its own and multiplies its output by that again.
        """
        ...


class Host(Protocol):
    """What has to be known of a model to open a dictionary for it; `autointerp.models.Subject` does."""

    @property
    def name(self) -> str:
        """For messages."""
        ...

    @property
    def fingerprint(self) -> str:
        """Of its weights."""
        ...

    @property
    def layers(self) -> int:
        """How many blocks it has."""
        ...

    @property
    def module(self) -> Any:
        """The torch module, in which a norm's gain and the number of heads are looked up."""
        ...

    def width_of(self, site: Site) -> int:
        """How wide a site is; ModelError for one that the model does not have."""
        ...

    def to_residual(self, site: Site, vectors: Tensor) -> Tensor | None:
        """What vectors [..., width_of(site)] at a site add to the residual stream; None where that is not linear."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """What a format is asked to open.

    Attributes
    ----------
    name: as the user gave it; it becomes the dictionary's name.
    place: what follows the format's name, without the suffixes.
    path: the file or folder, for formats that have files.
    wanted: the input and output site that the name asks for with `@`.
    layer, key: what it asks for with `#layer=` and `#key=`.
    """

    name: str
    place: str
    path: Path | None
    wanted: tuple[Where, Where] | None
    layer: int | None
    key: str | None
    subject: Host
    sample: Sample | None

    @property
    def files(self) -> Path:
        """The file or folder; only for formats that have files."""
        assert self.path is not None
        return self.path

    def sites(self, found: tuple[Site, Site] | None, *, layer: int | None = None, advice: str) -> tuple[Site, Site]:
        """Input and output site: those of the name, or else `found` in the files, or else DictionaryError with `advice`.

        `layer` completes a site that the name gives without one.
        """
        return sites_of(self.name, self.wanted, found, layer=layer, advice=advice)


class DictionaryFormat(ABC):
    """A way in which dictionaries come. Registered in the entry-point group `autointerp.dictionaries` under its name.

    `NAME:PLACE` opens PLACE in that format: a local path, a place on the Hugging Face Hub, or whatever the format makes
    of it. What is not overridden is right for a format that has no files.

    Attributes
    ----------
    hub_advice: what to say besides where a place on the hub cannot be fetched.
    """

    hub_advice: ClassVar[str] = ""

    @staticmethod
    def recognises(path: Path) -> bool:
        """Whether a local file or folder looks like this format, cheaply."""
        del path
        return False

    @staticmethod
    def hub_files(inside: str, layer: int | None) -> Sequence[str]:
        """Which files of a hub repository to fetch for the place `inside` it: names or patterns; none: not from there."""
        del inside, layer
        return ()

    @staticmethod
    def full_name(place: str) -> str | None:
        """The `NAME:PLACE` that a place known by a shorter name stands for; None for every other."""
        del place
        return None

    @staticmethod
    @abstractmethod
    def load(request: Request) -> Dictionary:
        """Open it. Raises DictionaryError, which names file, key, and the shapes found and expected."""
