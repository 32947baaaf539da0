"""One pass over a corpus gives an index of every feature: where it fires, how strongly, how often; by split.

This room knows no explanation: it says what was measured, not what it means.
"""

from __future__ import annotations

from autointerp.activations._build import IndexSettings, build_index
from autointerp.activations._cache import cache_folder, open_index
from autointerp.activations._corpus import Corpus, Passage, open_corpus, passages
from autointerp.activations._documents import Document, Split, bucket, is_unseen, split_of
from autointerp.activations._index import Index
from autointerp.activations._lookup import activations_on
from autointerp.activations._stats import feature_stats
from autointerp.activations._stdlib import stdlib_documents
from autointerp.activations._views import FeatureWindows, RefineView, SplitView, TestView, TrainView

__all__ = [
    "Corpus",
    "Document",
    "FeatureWindows",
    "Index",
    "IndexSettings",
    "Passage",
    "RefineView",
    "Split",
    "SplitView",
    "TestView",
    "TrainView",
    "activations_on",
    "bucket",
    "build_index",
    "cache_folder",
    "feature_stats",
    "is_unseen",
    "open_corpus",
    "open_index",
    "passages",
    "split_of",
    "stdlib_documents",
]
