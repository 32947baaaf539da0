"""One split of an index, looked at from one feature. Which split it is stands in the type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from autointerp.activations._documents import Split
from autointerp.activations._merge import known_positions, top_pairs
from autointerp.activations._numbers import unpack
from autointerp.activations._sealed import Stored


@dataclass(frozen=True, slots=True)
class FeatureWindows:
    """The first `passages` passages of a split, in which every activation of one feature is known.

    Attributes
    ----------
    passages: how many; they are a uniform sample of the split.
    rows, places, values: the activations that are not zero, by passage and place (place 0 is BOS, which is never active).
        A value is that computed to within 2**-11 of itself.
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


@dataclass(frozen=True, slots=True)
class TopPassages:
    """The passages of a split in which a feature is strongest, strongest first.

    Attributes
    ----------
    passages, peaks, tokens: each passage, its strongest activation, and the id of the token that has it.
    activations: [passages, length]; rows from `listed` on are not stored, and zero.
    listed: how many rows of `activations` are.
    """

    passages: NDArray[np.int64]
    peaks: NDArray[np.float32]
    tokens: NDArray[np.int32]
    activations: NDArray[np.float32]
    listed: int


class SplitView:
    """What every split offers. The subclasses differ in name and split alone, and that is their point."""

    split: ClassVar[Split]

    def __init__(self, stored: Stored) -> None:
        self._stored = stored

    @property
    def passages(self) -> int:
        """How many passages the split has."""
        return len(self._stored[f"{self.split}/lengths"])

    @property
    def length(self) -> int:
        """Places in a passage, BOS included."""
        return self._stored[f"{self.split}/tokens"].shape[1]

    @cached_property
    def tokens(self) -> NDArray[np.int32]:
        """Token ids [passages, length], BOS first, filled up with the model's padding."""
        return self._stored[f"{self.split}/tokens"].mapped()

    @cached_property
    def lengths(self) -> NDArray[np.int32]:
        """Places in use, BOS included, [passages]."""
        return self._stored[f"{self.split}/lengths"].mapped()

    @cached_property
    def documents(self) -> NDArray[np.int32]:
        """The number of the document that each passage is from, [passages]."""
        return self._stored[f"{self.split}/documents"].mapped()

    def where(self, passage: int) -> tuple[str, int]:
        """Document and line of a passage."""
        return self.origins([passage])[0]

    def origins(self, passages: Sequence[int]) -> list[tuple[str, int]]:
        """Document and line of each of these passages."""
        stored, split = self._stored, self.split
        documents = stored[f"{split}/documents"].take(passages)[:, 0].tolist()
        lines = stored[f"{split}/lines"].take(passages)[:, 0].tolist()
        bounds = stored[f"{split}/document_indptr"].take(documents, 2).tolist()
        names = stored[f"{split}/document_names"].pieces(bounds)
        return [(name.decode("utf-8", "surrogatepass"), line) for name, line in zip(names, lines, strict=True)]

    def texts(self, passages: Sequence[int]) -> list[NDArray[np.int32]]:
        """Token ids of each of these passages, BOS and padding left out; no other passage is read."""
        lengths = self._stored[f"{self.split}/lengths"].take(passages)[:, 0].tolist()
        rows = self._stored[f"{self.split}/tokens"].take(passages)[:, 0]
        return [row[1:length] for row, length in zip(rows, lengths, strict=True)]

    def windows(self, feature: int) -> FeatureWindows:
        """All that is known of a feature in a uniform sample of the passages."""
        stored, split = self._stored, self.split
        begin, end = stored[f"{split}/indptr"].read(feature, feature + 2).tolist()
        positions = known_positions(stored, split, feature, feature + 1, begin, end)
        rows, places = np.divmod(positions, self.length)
        # A stored value is rounded; none may pass for stronger than the strongest there is.
        most = stored["totals/maximum"].read(feature, feature + 1)
        values = np.minimum(unpack(stored[f"{split}/codes"].read(begin, end)), most)
        return FeatureWindows(int(stored[f"{split}/known"].read(feature, feature + 1)[0]), rows, places, values)

    def top(self, feature: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The passages with the strongest activations, strongest first, and these activations."""
        begin, end = self._stored[f"{self.split}/top_indptr"].read(feature, feature + 2).tolist()
        passages: NDArray[np.int32] = self._stored[f"{self.split}/top_passages"].read(begin, end)
        return passages, self._stored[f"{self.split}/top_values"].read(begin, end)

    def top_passages(self, feature: int) -> TopPassages:
        """The same passages with the feature's activation at every token."""
        pairs = top_pairs(self._stored, self.split, feature, feature + 1)
        activations = np.zeros((len(pairs.passage), self.length), dtype=np.float32)
        rows = np.repeat(np.arange(len(pairs.passage)), pairs.count)
        activations[rows, pairs.places] = np.minimum(unpack(pairs.codes), pairs.peak[rows])
        return TopPassages(pairs.passage, pairs.peak, pairs.token, activations, int((pairs.count > 0).sum()))


class TrainView(SplitView):
    """What scientists and their tools may see."""

    split = Split.TRAIN


class RefineView(SplitView):
    """What the gate scores on while an explanation is being refined."""

    split = Split.REFINE


class TestView(SplitView):
    """What the scorer alone may see."""

    __test__ = False
    split = Split.TEST
