"""How activations become integers: sums, histograms and stored values that come out the same in whatever order they are made.

Floating-point addition depends on its order; what is merged from shards must not. So sums are kept in fixed point, and
stored activations are rounded once, when they are recorded.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Histogram bins are quarter octaves of activation, from 2**-12 on; what lies outside counts in the first or last bin.
BINS, PER_OCTAVE, LOWEST = 112, 4, -12
#: By how much a stored activation may differ from the computed one, as a share of it, between 2**-32 and 2**32.
RELATIVE_ERROR = 2.0**-11

_DROPPED = 13
_BASE = (127 - 32) << (23 - _DROPPED)

_FINE = 2.0**30
_CARRY = 40
_COARSE = 2.0**10
_LARGEST = 2.0**40


def pack(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Positive activations as 16 bits: 6 of exponent from 2**-32 to 2**32 and 10 of mantissa, rounded half to even."""
    bits = values.view(np.uint32)
    rounded = (bits + np.uint32(0xFFF) + ((bits >> _DROPPED) & 1)) >> _DROPPED
    return np.clip(rounded.astype(np.int32) - _BASE, 1, 0xFFFF).astype(np.uint16)


def unpack(codes: NDArray[np.uint16]) -> NDArray[np.float32]:
    """The activations that `pack` was given, to within `RELATIVE_ERROR`."""
    return ((codes.astype(np.uint32) + np.uint32(_BASE)) << np.uint32(_DROPPED)).view(np.float32)


def bins_of(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """The histogram bin of each positive activation."""
    quarter: NDArray[np.float32] = np.floor((np.log2(values) - np.float32(LOWEST)) * np.float32(PER_OCTAVE))
    return np.clip(quarter, 0, BINS - 1).astype(np.int64)


def edge(number: int) -> float:
    """The lower edge of a histogram bin."""
    return float(2.0 ** (LOWEST + number / PER_OCTAVE))


def sums_of(values: NDArray[np.float32], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sums of the runs of `values` that begin at `starts`, exact in units of 2**-30: [runs, 2], coarse and fine.

    A value is rounded once to the unit, and taken for 2**40 where it is larger. The sum is coarse * 2**10 + fine * 2**-30.
    """
    doubles = np.minimum(values.astype(np.float64), _LARGEST)
    coarse = np.zeros(len(starts), dtype=np.int64)
    if len(values) and float(values.max()) >= _COARSE:
        thousands = np.floor(doubles / _COARSE)
        doubles -= thousands * _COARSE
        coarse = np.add.reduceat(thousands.astype(np.int64), starts)
    fine = np.add.reduceat(np.rint(doubles * _FINE).astype(np.int64), starts) if len(starts) else coarse
    return carried(np.stack([coarse, fine], axis=1))


def carried(sums: NDArray[np.int64]) -> NDArray[np.int64]:
    """The one way to write a sum, fine part below 2**40, [..., 2]: equal sums have equal parts."""
    fine = sums[..., 1]
    return np.stack([sums[..., 0] + (fine >> _CARRY), fine & ((1 << _CARRY) - 1)], axis=-1)


def as_float(sums: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sums [..., 2] as floating-point numbers."""
    return sums[..., 0] * _COARSE + sums[..., 1] / _FINE


def ragged(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The indices of runs, one run after the other: run i is counts[i] long and begins at starts[i]."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - (ends - counts), counts) + np.arange(total, dtype=np.int64)
