"""Activations of a site on text of the train split: what a dictionary that is fitted to a model is fitted on."""

from __future__ import annotations

import heapq

import torch
from torch import Tensor

from autointerp.activations import Corpus, Split, bucket, split_of
from autointerp.errors import CorpusError
from autointerp.models import Subject
from autointerp.records import Site

_DOCUMENTS, _BATCH = 256, 16


def sample_of(subject: Subject, corpus: Corpus, site: Site) -> Tensor:
    """Activations [positions, width] at the beginnings of up to 256 documents chosen by hash, BOS left out.

    Held-out documents are left out too: a dictionary must not know the text that explanations of its features are graded on.
    """
    train = (document for document in corpus.documents() if split_of(document.id) is Split.TRAIN)
    chosen = heapq.nsmallest(_DOCUMENTS, train, key=lambda document: bucket(document.id))
    texts = [subject.encode(document.text)[: subject.context - 1] for document in chosen]
    texts = [[subject.bos, *ids] for ids in texts if ids]
    if not texts:
        raise CorpusError(
            f"{corpus.name} has no document in the train split to fit a dictionary on: give more documents"
        )
    parts = []
    for start in range(0, len(texts), _BATCH):
        some = texts[start : start + _BATCH]
        read = subject.run(subject.pad(some), capture=[site]).sites[site].float().cpu()
        parts += [row[1 : len(ids)] for row, ids in zip(read, some, strict=True)]
    return torch.cat(parts)
