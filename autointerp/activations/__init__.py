"""One pass over a corpus gives an index of every feature: where it fires, how strongly, how often; by split.

This room knows no explanation: it says what was measured, not what it means.
"""

from __future__ import annotations

from autointerp.activations._build import ENGINES, build_index, index_key
from autointerp.activations._cache import cache_folder, open_index
from autointerp.activations._corpus import Corpus, open_corpus
from autointerp.activations._documents import Document, Split, bucket, is_unseen, split_of
from autointerp.activations._feature import FeatureView, train_feature
from autointerp.activations._finish import merge_indices
from autointerp.activations._index import Index, IndexMeta
from autointerp.activations._lookup import activations_on
from autointerp.activations._passages import Passage, passages
from autointerp.activations._settings import IndexSettings
from autointerp.activations._stats import feature_stats
from autointerp.activations._stdlib import stdlib_documents
from autointerp.activations._views import FeatureWindows, RefineView, SplitView, TestView, TopPassages, TrainView

__all__ = [
    "ENGINES",
    "Corpus",
    "Document",
    "FeatureView",
    "FeatureWindows",
    "Index",
    "IndexMeta",
    "IndexSettings",
    "Passage",
    "RefineView",
    "Split",
    "SplitView",
    "TestView",
    "TopPassages",
    "TrainView",
    "activations_on",
    "bucket",
    "build_index",
    "cache_folder",
    "feature_stats",
    "index_key",
    "is_unseen",
    "merge_indices",
    "open_corpus",
    "open_index",
    "passages",
    "split_of",
    "stdlib_documents",
    "train_feature",
]
