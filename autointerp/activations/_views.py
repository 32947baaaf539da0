"""One split of an index, looked at from one feature. Which split it is stands in the type."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class SplitArrays:
    """The stored arrays of a split (see `_index`)."""

    names: list[str]
    tokens: NDArray[np.int32]
    lengths: NDArray[np.int32]
    documents: NDArray[np.int32]
    lines: NDArray[np.int32]
    indptr: NDArray[np.int64]
    positions: NDArray[np.int32]
    values: NDArray[np.float32]
    known: NDArray[np.int32]
    top_passages: NDArray[np.int32]
    top_values: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FeatureWindows:
    """The first `passages` passages of a split, in which every activation of one feature is known.

    Attributes
    ----------
    passages: how many; they are a uniform sample of the split.
    rows, places, values: the activations that are not zero, by passage and place (place 0 is BOS, which is never active).
    """

    passages: int
    rows: NDArray[np.int64]
    places: NDArray[np.int64]
    values: NDArray[np.float32]

    def dense(self, length: int) -> NDArray[np.float32]:
        """Activations [passages, length]."""
        array = np.zeros((self.passages, length), dtype=np.float32)
        array[self.rows, self.places] = self.values
        return array

    def maxima(self) -> NDArray[np.float32]:
        """The strongest activation in each passage, [passages]."""
        array = np.zeros(self.passages, dtype=np.float32)
        np.maximum.at(array, self.rows, self.values)
        return array


class SplitView:
    """What every split offers. The subclasses differ in name alone, and that is their point."""

    def __init__(self, arrays: SplitArrays) -> None:
        self._arrays = arrays

    @property
    def passages(self) -> int:
        """How many passages the split has."""
        return len(self._arrays.lengths)

    @property
    def length(self) -> int:
        """Places in a passage, BOS included."""
        return int(self._arrays.tokens.shape[1])

    @property
    def tokens(self) -> NDArray[np.int32]:
        """Token ids [passages, length], BOS first, padded with BOS."""
        return self._arrays.tokens

    @property
    def lengths(self) -> NDArray[np.int32]:
        """Places in use, BOS included, [passages]."""
        return self._arrays.lengths

    @property
    def documents(self) -> NDArray[np.int32]:
        """The number of the document that each passage is from, [passages]."""
        return self._arrays.documents

    def where(self, passage: int) -> tuple[str, int]:
        """Document and line of a passage."""
        return self._arrays.names[self._arrays.documents[passage]], int(self._arrays.lines[passage])

    def windows(self, feature: int) -> FeatureWindows:
        """All that is known of a feature in a uniform sample of the passages."""
        arrays = self._arrays
        begin, end = int(arrays.indptr[feature]), int(arrays.indptr[feature + 1])
        known = int(arrays.known[feature])
        rows, places = np.divmod(arrays.positions[begin:end].astype(np.int64), self.length)
        return FeatureWindows(known, rows, places, np.asarray(arrays.values[begin:end]))

    def top(self, feature: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The passages with the strongest activations, strongest first, and these activations."""
        passages, values = self._arrays.top_passages[feature], self._arrays.top_values[feature]
        found = passages >= 0
        return np.asarray(passages[found]), np.asarray(values[found])


class TrainView(SplitView):
    """What scientists and their tools may see."""


class RefineView(SplitView):
    """What the gate scores on while an explanation is being refined."""


class TestView(SplitView):
    """What the scorer alone may see."""

    __test__ = False
