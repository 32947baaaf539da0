"""Dictionaries of features: whatever file they come from, or none, one protocol.

This room knows of a model its sites, their widths and what a write to one of them adds to the residual stream; it knows no
text and no index.
"""

from __future__ import annotations

from autointerp.dictionaries._cross_layer import CrossLayer, CrossLayerTranscoder
from autointerp.dictionaries._names import absolute_name
from autointerp.dictionaries._open import open_cross_layer, open_dictionary
from autointerp.dictionaries._protocol import Dictionary, DictionaryFormat, Host, Request, Sample, Sparse

__all__ = [
    "CrossLayer",
    "CrossLayerTranscoder",
    "Dictionary",
    "DictionaryFormat",
    "Host",
    "Request",
    "Sample",
    "Sparse",
    "absolute_name",
    "open_cross_layer",
    "open_dictionary",
]
