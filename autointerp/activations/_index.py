"""The index on disk: a sealed folder of arrays (`docs/activations.md` describes each), and how it is read."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autointerp.activations._documents import Split
from autointerp.activations._feature import FeatureView, feature_view
from autointerp.activations._held_out import HeldOutRuns
from autointerp.activations._numbers import BINS, as_float
from autointerp.activations._sealed import VERSION, Manifest, Stored, unseal
from autointerp.activations._views import RefineView, TestView, TrainView
from autointerp.activations._weights import Vocabulary
from autointerp.errors import FeatureError

__all__ = ["VERSION", "Index", "IndexMeta"]


#: Bytes that are read through when an index is opened; of a larger one, each part is checked when it is first read.
_CHECKED_AT_ONCE = 1 << 30


class IndexMeta(Manifest):
    """What an index is of. `key` names everything it was made from, `corpus` is the hash of the text that was read.

    `not_finite` counts activations that were NaN or infinite and are in no figure.
    """

    model: str
    dictionary: str
    corpus: str
    corpus_name: str
    tokens: int
    features: int
    length: int
    not_finite: int
    settings: dict[str, int]


class Index:
    """An index whose manifest was found whole. The three views are of three types, so that none is taken for another."""

    def __init__(self, meta: IndexMeta, stored: Stored) -> None:
        self.folder, self.meta, self.stored = stored.folder, meta, stored
        self.vocabulary = Vocabulary(stored)
        self.train = TrainView(stored.without({Split.REFINE, Split.TEST}))
        self.refine = RefineView(stored.without({Split.TEST}))
        self.test = TestView(stored)

    @classmethod
    def open(cls, folder: Path) -> Index:
        """Open the index in a folder. What is read of it is checked when it is read.

        Raises CacheError where there is none, or one that is incomplete or of another version.
        """
        return cls(*unseal(folder, IndexMeta))

    @classmethod
    def read(cls, folder: Path, key: str) -> Index:
        """Open an index that was made from what `key` names, and check every byte of one of up to 1 GiB.

        Raises CacheError where it is absent, incomplete, altered, of another version, or of something else.
        """
        meta, stored = unseal(folder, IndexMeta, key)
        if stored.size <= _CHECKED_AT_ONCE:
            stored.verify()
        return cls(meta, stored)

    @cached_property
    def active(self) -> NDArray[np.int64]:
        """At how many tokens each feature is active, [features]."""
        return self.stored["totals/active"].mapped()

    @cached_property
    def total(self) -> NDArray[np.float64]:
        """The sum of each feature's activations, [features]."""
        return as_float(self.stored["totals/sums"].mapped())

    @cached_property
    def maximum(self) -> NDArray[np.float32]:
        """Each feature's strongest activation, [features]."""
        return self.stored["totals/maximum"].mapped()

    @cached_property
    def histogram(self) -> NDArray[np.int64]:
        """How many activations fall in each quarter octave, [features, bins]."""
        counts = np.zeros((self.meta.features, BINS), dtype=np.int64)
        owner = np.repeat(np.arange(self.meta.features), np.diff(self.stored["totals/histogram_indptr"].read()))
        counts[owner, self.stored["totals/histogram_bins"].read()] = self.stored["totals/histogram_counts"].read()
        return counts

    @cached_property
    def held_out(self) -> HeldOutRuns:
        """Whether tokens repeat a passage of the refine or the test split: a question that gives no text away."""
        return HeldOutRuns(self.train, [self.refine, self.test])

    def feature(self, number: int) -> FeatureView:
        """Everything that the index knows of a feature, read from disk: figures, and examples of the train split.

        Raises FeatureError for a number that the dictionary does not have.
        """
        if not 0 <= number < self.meta.features:
            raise FeatureError(f"the index has no feature {number}: give a number from 0 to {self.meta.features - 1}")
        return feature_view(self.stored, self.vocabulary, self.train, number, self.meta.tokens)
