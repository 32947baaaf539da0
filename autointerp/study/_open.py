"""What all studies of one dictionary share: the model, the dictionary and the index."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from autointerp.activations import Index, IndexSettings, open_corpus, open_index
from autointerp.dictionaries import Dictionary, open_dictionary
from autointerp.errors import FeatureError
from autointerp.models import Subject
from autointerp.records import FeatureRef
from autointerp.study._progress import Progress, silent
from autointerp.study._sample import sample_of


@dataclass(frozen=True, slots=True, eq=False)
class Laboratory:
    """A model, a dictionary and its index; features are studied in it one after the other."""

    subject: Subject
    dictionary: Dictionary
    index: Index
    seed: int

    def feature(self, index: int) -> FeatureRef:
        """A feature by its number. Raises FeatureError, which says the range."""
        if not 0 <= index < self.dictionary.size:
            raise FeatureError(
                f"{self.dictionary.name} has no feature {index}: give a number from 0 to {self.dictionary.size - 1}"
            )
        return FeatureRef(
            model=self.subject.name,
            dictionary=self.dictionary.name,
            index=index,
            site=self.dictionary.output_site,
        )


def open_laboratory(
    model: str,
    dictionary: str,
    corpus: str,
    *,
    tokens: int = 300_000,
    seed: int = 0,
    feature: int | None = None,
    device: str = "auto",
    dtype: str = "auto",
    progress: Progress = silent,
) -> Laboratory:
    """Load model and dictionary, and open or build the index.

    Parameters
    ----------
    tokens: how many tokens of the corpus the index covers.
    feature: checked against the dictionary before the expensive part, where given.
    device, dtype: as `Subject.load` takes them.

    Raises
    ------
    InputError: for anything that cannot be loaded, before the index is built wherever that is possible.
    """
    torch.manual_seed(seed)
    texts = open_corpus(corpus)
    progress("loading the model", None, None)
    subject = Subject.load(model, device=device, dtype=dtype)
    progress(f"opening the dictionary (the model is on {subject.device})", None, None)
    opened = open_dictionary(dictionary, subject, sample=lambda site: sample_of(subject, texts, site))
    if feature is not None and not 0 <= feature < opened.size:
        raise FeatureError(f"{dictionary} has no feature {feature}: give a number from 0 to {opened.size - 1}")
    settings = IndexSettings(tokens=tokens)
    index = open_index(
        subject,
        opened,
        texts,
        settings=settings,
        progress=lambda done, total: progress("reading the corpus", done, total),
    )
    return Laboratory(subject, opened, index, seed)
