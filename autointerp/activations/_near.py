"""Near misses: texts that look as if a feature should be active in them, and in which it is not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autointerp.activations._arrays import Sink
from autointerp.activations._documents import Split
from autointerp.activations._merge import known_positions
from autointerp.activations._sealed import Stored

#: Near misses of each kind that are kept for a feature.
EACH = 4
#: Passages that are searched for a feature's tokens: the first of the split, which are a uniform sample of it.
_POOL = 2048
#: A feature's own tokens are those at the peaks of its strongest passages, at most so many; its neighbours the nearest ones.
_TOKENS, _NEIGHBOURS = 8, 4
_FEATURES = 256


def put_near(stored: Stored, sink: Sink) -> None:
    """Store, for every feature, passages of the train split that are known not to activate it, [features, 2 * EACH].

    First those that hold a token on which it is strongest elsewhere, then those in which its neighbours are strongest; -1
    where there are fewer.
    """
    split = Split.TRAIN
    features, length = len(stored["totals/active"]), stored[f"{split}/tokens"].shape[1]
    postings, neighbours = _Postings(stored, split), _Neighbours(stored, split)
    for start in range(0, features, _FEATURES):
        stop = min(start + _FEATURES, features)
        found = np.full((stop - start, 2 * EACH), -1, dtype=np.int32)
        known = stored[f"{split}/known"].read(start, stop)
        ends = stored[f"{split}/indptr"].read(start, stop + 1)
        active = known_positions(stored, split, start, stop, int(ends[0]), int(ends[-1])) // length
        bounds = (ends - ends[0]).tolist()
        tops = stored[f"{split}/top_indptr"].read(start, stop + 1)
        tokens = stored[f"{split}/top_tokens"].read(int(tops[0]), int(tops[-1]))
        strongest = (tops - tops[0]).tolist()
        for i in range(stop - start):
            own = tokens[strongest[i] : strongest[i + 1]]
            if not len(own):
                continue
            firing = active[bounds[i] : bounds[i + 1]]
            alike = _silent(postings.holding(own), firing, int(known[i]))[:EACH]
            found[i, : len(alike)] = alike
            nearby = _silent(neighbours.strong(start + i), firing, int(known[i]))
            nearby = nearby[~np.isin(nearby, alike)][:EACH]
            found[i, EACH : EACH + len(nearby)] = nearby
        sink.append("near/passages", found)


def _silent(passages: NDArray[np.int64], firing: NDArray[np.int64], known: int) -> NDArray[np.int64]:
    """Those in which everything is known of a feature and it is never active."""
    some = passages[passages < known]
    # Positions ascend, so a passage that activates the feature is where it would have to be put.
    place = np.searchsorted(firing, some)
    inside = place < len(firing)
    inside[inside] = firing[place[inside]] == some[inside]
    return some[~inside]


class _Postings:
    """For each token, the passages of the pool that hold it."""

    def __init__(self, stored: Stored, split: Split) -> None:
        count = min(_POOL, len(stored[f"{split}/lengths"]))
        lengths = stored[f"{split}/lengths"].read(0, count)
        tokens = stored[f"{split}/tokens"].read(0, count)
        place = np.arange(tokens.shape[1])
        passage, column = np.nonzero((place > 0) & (place < lengths[:, None]))
        keys = np.unique(tokens[passage, column].astype(np.int64) << 32 | passage)
        self._passages = keys & 0xFFFFFFFF
        vocabulary = int(keys[-1] >> 32) + 1 if len(keys) else 0
        self._ends = np.searchsorted(keys >> 32, np.arange(vocabulary + 1))

    def holding(self, tokens: NDArray[np.int32]) -> NDArray[np.int64]:
        """Passages with one of the first few different tokens among these, in order."""
        some = [token for token in dict.fromkeys(tokens.tolist()) if token < len(self._ends) - 1][:_TOKENS]
        return np.unique(np.concatenate([self._passages[:0], *map(self._of, some)]))

    def _of(self, token: int) -> NDArray[np.int64]:
        return self._passages[self._ends[token] : self._ends[token + 1]]


class _Neighbours:
    """For each feature, the passages in which the features nearest to it are strongest."""

    def __init__(self, stored: Stored, split: Split) -> None:
        self._nearest = stored["weights/neighbours"].mapped() if "weights/neighbours" in stored else None
        self._indptr = stored[f"{split}/top_indptr"].read()
        self._passages = stored[f"{split}/top_passages"].read()

    def strong(self, feature: int) -> NDArray[np.int64]:
        """These passages, in order."""
        if self._nearest is None:
            return np.zeros(0, dtype=np.int64)
        nearest = self._nearest[feature, :_NEIGHBOURS].tolist()
        return np.unique(np.concatenate([self._passages[self._indptr[n] : self._indptr[n + 1]] for n in nearest]))
