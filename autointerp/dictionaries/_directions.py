"""Given directions as a dictionary: `directions:FILE.npy@resid_post.2`, one direction a row.

Probes, differences of means, steering vectors: each is brought to unit norm, and its activation is the projection on it, where
that is positive. A direction's other side is a row of its own, if wanted. Ablating a feature takes exactly its projection out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from autointerp.dictionaries._coder import Coder, Parts
from autointerp.dictionaries._files import read_tensors
from autointerp.dictionaries._protocol import Dictionary, DictionaryFormat, Request
from autointerp.dictionaries._rules import Threshold
from autointerp.dictionaries._stored import Held, Stored
from autointerp.dictionaries._weights import mark
from autointerp.errors import DictionaryError


class Directions(DictionaryFormat):
    """The format plugin."""

    @staticmethod
    def recognises(path: Path) -> bool:
        """A numpy array; a safetensors file is taken for one only where the name says so."""
        return path.suffix == ".npy"

    @staticmethod
    def hub_files(inside: str, layer: int | None) -> Sequence[str]:
        """The file."""
        del layer
        return (inside,) if inside else ()

    @staticmethod
    def load(request: Request) -> Dictionary:
        """Open a file."""
        path = request.files
        if path.suffix not in (".npy", ".safetensors"):
            raise DictionaryError(f"{path}: directions come as .npy or .safetensors, one a row")
        rows = _rows(request, path)
        sites = request.sites(
            None, advice=f"{path} does not say which site it is for: add it to the name, such as @resid_post.2"
        )
        norms = rows.norm(dim=1, keepdim=True)
        if not (norms > 0).all():
            raise DictionaryError(
                f"{path}: row {int(norms[:, 0].argmin())} is zero, which is no direction: leave it out"
            )
        unit = Held(path, "directions", rows / norms)
        fingerprint = mark([path], request.key, *sites)
        return Coder(request.name, fingerprint, sites, Parts(encoder=unit, decoder=unit, rule=Threshold()))


def _rows(request: Request, path: Path) -> Tensor:
    found = read_tensors(path)
    key = request.key or (next(iter(found)) if len(found) == 1 else None)
    if key not in found:
        named = f"no key {request.key!r}" if request.key else "several keys"
        raise DictionaryError(
            f"{path} has {named}: add one of them to the name, #key={' or #key='.join(sorted(found))}"
        )
    stored: Stored = found[key]
    rows = stored.read()
    rows = rows[None] if rows.ndim == 1 else rows
    if rows.ndim != 2 or not rows.numel():
        raise DictionaryError(f"{path}: {key} has shape {stored.shape}, expected (directions, width)")
    return rows
