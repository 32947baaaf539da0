"""The pass over a corpus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from autointerp.activations._corpus import Corpus, Passage, passages
from autointerp.activations._documents import Split, split_of
from autointerp.activations._index import Index, IndexMeta, staged, write_index
from autointerp.activations._record import SplitRecorder, Totals
from autointerp.dictionaries import Dictionary, Sparse
from autointerp.errors import CorpusError
from autointerp.models import Subject

#: Told how many tokens are done and how many there are.
Progress = Callable[[int, int], None]

_BATCH = 32
_ENCODE_ROWS = 1024


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """How much text, cut how, and how many activations a feature keeps in each split."""

    tokens: int = 300_000
    context: int = 128
    train_cap: int = 2048
    heldout_cap: int = 768


def build_index(
    subject: Subject,
    dictionary: Dictionary,
    corpus: Corpus,
    folder: Path,
    *,
    key: str,
    settings: IndexSettings | None = None,
    progress: Progress | None = None,
) -> Index:
    """Stream a corpus through the model once and store what every feature did, under `folder` (made, must not exist).

    Raises CorpusError where the corpus leaves a split without text.
    """
    settings = settings or IndexSettings()
    length = min(settings.context, subject.context) - 1
    chosen, content = passages(corpus, subject.encode, length=length, budget=settings.tokens)
    by_split = {split: [p for p in chosen if split_of(p.document) is split] for split in Split}
    if empty := [str(split) for split, found in by_split.items() if not found]:
        raise CorpusError(f"{corpus.name} leaves the {' and '.join(empty)} split without text: give more documents")
    totals = Totals(dictionary.size)
    size = sum(len(p.ids) for p in chosen)
    with staged(folder) as staging:
        for split, found in by_split.items():
            cap = settings.train_cap if split is Split.TRAIN else settings.heldout_cap
            recorder = SplitRecorder(dictionary.size, length + 1, cap)
            for start in range(0, len(found), _BATCH):
                _take(subject, dictionary, found[start : start + _BATCH], recorder, totals)
                if progress is not None:
                    progress(totals.tokens, size)
            write_index.split(staging, split, found, subject.bos, length + 1, recorder.finish())
        meta = IndexMeta(
            key=key,
            model=subject.fingerprint,
            dictionary=dictionary.fingerprint,
            corpus=content,
            corpus_name=corpus.name,
            tokens=totals.tokens,
            features=dictionary.size,
            length=length + 1,
            not_finite=totals.not_finite,
            settings=asdict(settings),
        )
        return write_index.finish(staging, folder, totals, meta)


def _take(
    subject: Subject, dictionary: Dictionary, batch: list[Passage], recorder: SplitRecorder, totals: Totals
) -> None:
    """Run one batch of passages and record it; BOS and padding are left out."""
    ids = subject.pad([[subject.bos, *p.ids] for p in batch])
    resid = subject.run(ids, capture=[dictionary.input_site]).sites[dictionary.input_site]
    lengths = torch.tensor([len(p.ids) for p in batch])
    place = torch.arange(1, ids.shape[1])
    valid = place[None, :] <= lengths[:, None]
    passage, column = valid.nonzero(as_tuple=True)
    acts = encode_in_chunks(dictionary, resid[:, 1:][valid].float())
    finite = torch.isfinite(acts.values)
    if not finite.all():
        totals.not_finite += int((~finite).sum())
        acts = Sparse(acts.rows[finite], acts.features[finite], acts.values[finite])
    totals.add(acts, len(passage))
    recorder.add(acts, passage, place[column], len(batch))


def encode_in_chunks(dictionary: Dictionary, x: Tensor) -> Sparse:
    """Encode x [positions, width] a thousand rows at a time: the dense intermediate stays in the processor's cache."""
    parts = [dictionary.encode(x[start : start + _ENCODE_ROWS]) for start in range(0, len(x), _ENCODE_ROWS)]
    rows = torch.cat([part.rows + i * _ENCODE_ROWS for i, part in enumerate(parts)])
    return Sparse(rows, torch.cat([p.features for p in parts]), torch.cat([p.values for p in parts]))
