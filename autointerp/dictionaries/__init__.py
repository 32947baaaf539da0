"""Dictionaries of features: whatever file they come from, one protocol.

This room knows models only for the width of a site; it knows no text and no index.
"""

from __future__ import annotations

from autointerp.dictionaries._open import open_dictionary
from autointerp.dictionaries._protocol import Dictionary, DictionaryFormat, Sparse

__all__ = ["Dictionary", "DictionaryFormat", "Sparse", "open_dictionary"]
