"""From a laboratory to the workers and the names that its labels are kept under."""

from __future__ import annotations

from autointerp.labelling._workers import Workers
from autointerp.study import Laboratory


def about_of(laboratory: Laboratory) -> dict[str, str]:
    """What a store of this laboratory's labels is of: see `LabelStore`."""
    return {
        "model": laboratory.subject.name,
        "model fingerprint": laboratory.subject.fingerprint,
        "dictionary": laboratory.dictionary.name,
        "dictionary fingerprint": laboratory.dictionary.fingerprint,
        "site": str(laboratory.dictionary.output_site),
        "corpus": laboratory.index.meta.corpus_name,
        "index": laboratory.index.meta.key,
        "features": str(laboratory.dictionary.size),
        "seed": str(laboratory.seed),
    }


def open_workers(laboratory: Laboratory, processes: int) -> Workers:
    """Worker processes on the laboratory's index."""
    vocabulary = len(laboratory.subject.strings)
    return Workers(laboratory.index.folder, vocabulary=vocabulary, seed=laboratory.seed, processes=processes)
