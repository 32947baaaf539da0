"""Checking that a file holds the tensors its format says, each of the shape that goes with the others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from math import prod
from pathlib import Path

from autointerp.dictionaries._files import read_tensors
from autointerp.dictionaries._stored import Stored
from autointerp.errors import DictionaryError
from autointerp.models import fingerprint

#: A shape by names: every name has to stand for one number throughout a file. F features, D input width, O output width.
Shape = tuple[str | int, ...]

# Tensors up to this many numbers are looked through when the file is opened, larger ones when they are first used.
_LOOKED_THROUGH = 2**20


def take(
    path: Path,
    shapes: Mapping[str, Shape],
    *,
    optional: Iterable[str] = (),
    sizes: dict[str, int] | None = None,
) -> dict[str, Stored]:
    """The tensors of a file, checked.

    Parameters
    ----------
    shapes: of every key that the format knows; vectors first, since they settle what matrices are compared with.
    optional: keys that may be missing.
    sizes: what names in `shapes` are known to stand for; those found are added to it.

    Raises
    ------
    DictionaryError: for a key that is missing or not known, a shape that does not go with the others, NaN or infinity.
    """
    found, sizes = read_tensors(path), {} if sizes is None else sizes
    if unknown := sorted(set(found) - set(shapes)):
        raise DictionaryError(
            f"{path} holds {unknown[0]}, for which its format has no use: keys that are read are {', '.join(shapes)}"
        )
    for key, shape in shapes.items():
        expected = _written(shape, sizes)
        if key not in found:
            if key in optional:
                continue
            raise DictionaryError(f"{path} lacks {key} of shape {expected}: fetch it again")
        have = found[key].shape
        fits = len(have) == len(shape) and all(
            sizes.setdefault(name, n) == n if isinstance(name, str) else name == n
            for name, n in zip(shape, have, strict=True)
        )
        if not fits:
            raise DictionaryError(f"{path}: {key} has shape {have}, expected {expected}")
    for stored in found.values():
        if prod(stored.shape) <= _LOOKED_THROUGH:
            stored.read()
    return found


def _written(shape: Shape, sizes: Mapping[str, int]) -> str:
    numbers = [str(sizes.get(n, n) if isinstance(n, str) else n) for n in shape]
    return f"({', '.join(numbers)}{',' if len(numbers) == 1 else ''})"


def scalar(stored: Stored) -> float:
    """The one number of a tensor that holds one. Raises DictionaryError for another shape."""
    if prod(stored.shape) != 1:
        raise DictionaryError(f"{stored.file}: {stored.key} has shape {stored.shape}, expected ()")
    return float(stored.read())


def mark(files: Iterable[Path], *parts: object) -> str:
    """A fingerprint of weight files and of what else decides what a dictionary computes: 16 hexadecimal digits."""
    whole = [fingerprint(files), *map(str, parts)]
    return hashlib.sha256("\0".join(whole).encode()).hexdigest()[:16]
