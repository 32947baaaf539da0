"""Opening a kit: what an agent does first, and what a task does once so that agents find an index there."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from autointerp.errors import InputError
from autointerp.eval._protocol import Question

if TYPE_CHECKING:
    from autointerp.study import Laboratory

#: The folder of a kit with the index of its dictionary over its corpus.
INDEX = "index"


def laboratory_of(kit: Path, question: Question) -> Laboratory:
    """Model, dictionary and index of a kit. Raises InputError where the question is about no feature."""
    from autointerp.activations import IndexSettings, open_corpus, open_index
    from autointerp.dictionaries import open_dictionary
    from autointerp.models import Subject
    from autointerp.study import Laboratory

    if question.dictionary is None or question.corpus is None:
        raise InputError(f"{question.task} asks about no feature of a dictionary: this agent explains features alone")
    form, _, place = question.dictionary.partition(":")
    subject = Subject.load(str(kit / question.model))
    dictionary = open_dictionary(f"{form}:{kit / place}", subject)
    settings = IndexSettings(tokens=_bound(kit / question.corpus))
    # By its content, not by its path: an index that came with the kit is that of these texts wherever the kit lies.
    mark = hashlib.sha256((kit / question.corpus).read_bytes()).hexdigest()[:16]
    corpus = replace(open_corpus(str(kit / question.corpus)), name=question.corpus, fingerprint=mark)
    index = open_index(subject, dictionary, corpus, settings=settings, out=kit / INDEX)
    return Laboratory(subject=subject, dictionary=dictionary, index=index, seed=0)


def _bound(corpus: Path) -> int:
    """More tokens than the texts of a kit can have, so that all of them are indexed."""
    with corpus.open(encoding="utf-8") as file:
        return sum(len(json.loads(line)["text"]) for line in file)
