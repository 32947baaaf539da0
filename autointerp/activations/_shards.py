"""One shard: its passages through the model and the dictionary into a sketch. Always cut the same, so always the same bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autointerp.activations._arrays import Memory
from autointerp.activations._passage_table import put_shard
from autointerp.activations._plan import ShardText
from autointerp.activations._recorder import Floor, Recorded, ShardRecorder
from autointerp.activations._settings import IndexSettings
from autointerp.dictionaries import Dictionary, Sparse
from autointerp.errors import DictionaryError
from autointerp.models import Subject

#: Passages in a forward pass, and rows that are encoded at once: the dense product then stays in the processor's cache.
_BATCH, _ROWS = 32, 512


def places(subject: Subject, settings: IndexSettings) -> int:
    """Places in a passage, BOS included; what closes a text has room behind."""
    return min(settings.context, subject.context)


def record(
    subject: Subject,
    dictionary: Dictionary,
    text: ShardText,
    settings: IndexSettings,
    floor: Floor,
    progress: Callable[[int], None] | None = None,
) -> Recorded:
    """Run the passages of a shard and keep their sketch; `progress` is told how many tokens each step took.

    Raises DictionaryError where the dictionary does not fit the site that it names.
    """
    length = places(subject, settings)
    recorder = ShardRecorder(dictionary.size, text, length, settings.caps, floor)
    starts, counts = text.starts, np.diff(text.ends, prepend=0)
    for begin in range(0, len(counts), _BATCH):
        some = range(begin, min(begin + _BATCH, len(counts)))
        ids = subject.pad([[subject.bos, *text.ids[starts[i] : text.ends[i]].tolist()] for i in some])
        resid = subject.run(ids, capture=[dictionary.input_site]).sites[dictionary.input_site]
        _check_width(dictionary, resid, subject)
        for group in _groups(some, counts):
            x = torch.cat([resid[i - begin, 1 : 1 + int(counts[i])] for i in group])
            acts = dictionary.encode(x)
            _add(recorder, acts, group, counts, dictionary)
        if progress is not None:
            progress(int(counts[some.start : some.stop].sum()))
    recorded = recorder.finish()
    sink = Memory()
    put_shard(sink, text, length=length, bos=subject.bos, padding=subject.padding)
    return Recorded(recorded.arrays | sink.arrays(), recorded.tokens, recorded.not_finite)


def _add(
    recorder: ShardRecorder, acts: Sparse, group: range, counts: NDArray[np.int64], dictionary: Dictionary
) -> None:
    features = acts.features.cpu().numpy().astype(np.int64, copy=False)
    if len(features) and int(features.max()) >= dictionary.size:
        raise DictionaryError(
            f"{dictionary.name} says it has {dictionary.size} features, but activates number {features.max()}"
        )
    mine = counts[group.start : group.stop]
    place = np.arange(1, int(mine.sum()) + 1) - np.repeat(np.cumsum(mine) - mine, mine)
    where = (np.repeat(np.arange(group.start, group.stop), mine) << 16 | place).astype(np.uint32)
    recorder.add(features, where[acts.rows.cpu().numpy()], acts.values.float().cpu().numpy())


def _groups(some: range, counts: NDArray[np.int64]) -> Iterator[range]:
    """Passages side by side that have about `_ROWS` tokens together: none is parted, as its peak is needed."""
    start, size = some.start, 0
    for i in some:
        if size and size + counts[i] > _ROWS:
            yield range(start, i)
            start, size = i, 0
        size += int(counts[i])
    yield range(start, some.stop)


def _check_width(dictionary: Dictionary, resid: Tensor, subject: Subject) -> None:
    if resid.shape[-1] != dictionary.width:
        raise DictionaryError(
            f"{dictionary.name} is for activations of width {dictionary.width}, but {dictionary.input_site} of"
            f" {subject.name} is {resid.shape[-1]} wide: choose the dictionary of this model and site"
        )
