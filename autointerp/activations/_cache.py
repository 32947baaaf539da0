"""Indices by what they are made from, in the user's cache folder."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path

from platformdirs import user_cache_path

from autointerp.activations._build import IndexSettings, Progress, build_index
from autointerp.activations._corpus import Corpus
from autointerp.activations._index import VERSION, Index, sweep
from autointerp.dictionaries import Dictionary
from autointerp.errors import CacheError, OutputError
from autointerp.models import Subject


def cache_folder() -> Path:
    """`AUTOINTERP_CACHE`, or the user's cache folder as the operating system names it."""
    chosen = os.environ.get("AUTOINTERP_CACHE")
    return Path(chosen).expanduser() if chosen else user_cache_path("autointerp")


def open_index(
    subject: Subject,
    dictionary: Dictionary,
    corpus: Corpus,
    *,
    settings: IndexSettings | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Index:
    """The index of this model, dictionary, corpus and settings: from the cache if it is whole there, else built.

    Raises OutputError where the cache folder cannot be written.
    """
    settings = settings or IndexSettings()
    parts = [VERSION, subject.fingerprint, dictionary.fingerprint, corpus.fingerprint, asdict(settings)]
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
    place = (folder or cache_folder() / "index") / key
    try:
        return Index.read(place, key)
    except CacheError:
        pass
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        sweep(place)
        return build_index(subject, dictionary, corpus, place, key=key, settings=settings, progress=progress)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"the index cannot be written to {place.parent}: {reason}; set AUTOINTERP_CACHE") from error
