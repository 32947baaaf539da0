"""Indices by what they are made from, in the user's cache folder."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

from autointerp.activations._build import Progress, build_index, index_key
from autointerp.activations._corpus import Corpus
from autointerp.activations._index import Index
from autointerp.activations._settings import IndexSettings
from autointerp.dictionaries import Dictionary
from autointerp.errors import CacheError
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
    out: Path | None = None,
    progress: Progress | None = None,
    engine: str = "local",
    workers: int | None = None,
    part: tuple[int, int] = (1, 1),
) -> Index:
    """The index of this model, dictionary, corpus and settings: opened if it is whole there, else built.

    Parameters
    ----------
    folder: where indices are, each in a folder named by its key; by default in the cache.
    out: where this one is, instead.
    engine, workers, part, progress: of `build_index`, which also says what is raised.
    """
    settings = settings or IndexSettings()
    key = index_key(subject, dictionary, corpus, settings, part)
    place = out or (folder or cache_folder() / "index") / key
    try:
        return Index.read(place, key)
    except CacheError:
        return build_index(
            subject,
            dictionary,
            corpus,
            place,
            key=key,
            settings=settings,
            progress=progress,
            engine=engine,
            workers=workers,
            part=part,
        )
