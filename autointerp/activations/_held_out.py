"""Telling whether tokens repeat a held-out passage, from hashes alone: who holds this can ask, and learns no text from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from autointerp.activations._views import SplitView

#: Tokens of a run. An exact repetition of twice as many, less one, always holds a whole run.
RUN = 12
_PASSAGES = 4096
_FACTOR = 0x9E3779B97F4A7C15


class HeldOutRuns:
    """The hashes of runs of tokens that are in held-out passages and nowhere in the train split.

    Called with token ids, without BOS, it says whether they hold one of these runs. Passages are stored in runs that do not
    overlap and texts are searched at every place, so that a repetition of 23 tokens is found wherever it begins, unless
    each run in it stands in the train split too, where scientists may read it anyway.
    """

    def __init__(self, train: SplitView, held_out: Sequence[SplitView]) -> None:
        parts = [hashes for view in held_out for hashes in _passage_runs(view, step=RUN)]
        found = np.unique(np.concatenate([np.zeros(0, dtype=np.uint64), *parts]))
        known = np.zeros(len(found), dtype=bool)
        for hashes in _passage_runs(train, step=1):
            known |= np.isin(found, hashes)
        self._hashes = found[~known]

    def __len__(self) -> int:
        return len(self._hashes)

    def __call__(self, ids: Sequence[int], /) -> bool:
        """Whether the tokens hold a run of a held-out passage."""
        if len(ids) < RUN:
            return False
        runs = _hashes(np.asarray(ids, dtype=np.int64)[None])[0]
        places = np.searchsorted(self._hashes, runs)
        inside = places < len(self._hashes)
        return bool((self._hashes[places[inside]] == runs[inside]).any())


def _passage_runs(view: SplitView, *, step: int) -> Iterator[NDArray[np.uint64]]:
    """Hashes of the runs that begin at every `step`-th token of each passage, some thousand passages at a time."""
    for start in range(0, view.passages, _PASSAGES):
        rows = slice(start, start + _PASSAGES)
        hashes = _hashes(np.asarray(view.tokens[rows, 1:], dtype=np.int64))
        first = np.arange(hashes.shape[1])
        whole = first[None, :] + RUN <= np.asarray(view.lengths[rows])[:, None] - 1
        yield hashes[whole & (first % step == 0)[None, :]]


def _hashes(ids: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The hash of each run of tokens, [texts, places] for ids [texts, tokens]; no place where there are too few tokens."""
    places = max(0, ids.shape[1] - RUN + 1)
    mixed = np.zeros((len(ids), places), dtype=np.uint64)
    numbers, factor = ids.astype(np.uint64) + np.uint64(1), np.uint64(_FACTOR)
    with np.errstate(over="ignore"):
        for offset in range(RUN):
            mixed = (mixed ^ numbers[:, offset : offset + places]) * factor
            mixed ^= mixed >> np.uint64(29)
    return mixed
