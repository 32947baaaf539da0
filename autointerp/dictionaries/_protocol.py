"""What a dictionary can do, and what a format plugin has to offer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from torch import Tensor

from autointerp.records import Site


@dataclass(frozen=True, slots=True, eq=False)
class Sparse:
    """Activations that are not zero: `values[j]` is feature `features[j]` at position `rows[j]`, sorted by row."""

    rows: Tensor
    features: Tensor
    values: Tensor


@runtime_checkable
class Dictionary(Protocol):
    """Features of one site of one model. Activations are never negative."""

    name: str
    fingerprint: str
    size: int
    width: int
    input_site: Site
    output_site: Site

    def encode(self, x: Tensor) -> Sparse:
        """Activations of all features; x float [positions, width]."""
        ...

    def encode_one(self, x: Tensor, feature: int) -> Tensor:
        """Activation of one feature, [...] for x [..., width]: equal to that of `encode`."""
        ...

    def decode(self, acts: Sparse, positions: int) -> Tensor:
        """Reconstruction [positions, width] from activations."""
        ...

    def direction(self, feature: int) -> Tensor:
        """What one unit of a feature's activation writes to the output site, [width]."""
        ...

    def directions(self) -> Tensor:
        """All of them, [size, width]."""
        ...


class DictionaryFormat(Protocol):
    """A file format. Registered in the entry-point group `autointerp.dictionaries` under its name."""

    @staticmethod
    def recognises(folder: Path) -> bool:
        """Whether the folder looks like this format; cheap, by file names."""
        ...

    @staticmethod
    def load(folder: Path, name: str) -> Dictionary:
        """Read it. Raises DictionaryError, which names file, key, and the shapes found and expected."""
        ...
