"""What the language model of `pystdlib` is measured against: a general compressor and an n-gram model.

The n-gram model is interpolated Kneser-Ney with the modified discounts of Chen & Goodman (1999). It sees the same
tokens as the language model, and every order from 1 to the largest is had from one fit, because the lower-order counts
of Kneser-Ney do not depend on the order above them that is asked for.
"""

from __future__ import annotations

import lzma
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]

DICTIONARY_SIZE = 64 * 2**20  # bytes that xz can look back: more than the whole standard library
PRESET = 9 | lzma.PRESET_EXTREME
FALLBACK_DISCOUNT = 0.5


def xz_bits_per_byte(text: bytes) -> float:
    """Bits per byte of `text` under xz -9e."""
    return 8 * len(lzma.compress(text, preset=PRESET)) / len(text)


def xz_bits_per_byte_after(history: bytes, text: bytes) -> float:
    """Bits per byte that `text` adds to an xz archive of `history`, all of which is within reach of its matches."""
    if len(history) + len(text) > DICTIONARY_SIZE:
        size = len(history) + len(text)
        raise ValueError(f"{size:,} bytes are more than the {DICTIONARY_SIZE:,} xz looks back: raise DICTIONARY_SIZE")
    filters = [{"id": lzma.FILTER_LZMA2, "preset": PRESET, "dict_size": DICTIONARY_SIZE}]
    alone, both = (len(lzma.compress(data, filters=filters)) for data in (history, history + text))
    return 8 * (both - alone) / len(text)


def modified_discounts(counts: Ids) -> Floats:
    """What is taken off a count of 0, 1, 2 and of 3 or more, float64 [4] (Chen & Goodman 1999, eq. 26).

    Where a stream is so small that one of the counts of counts is zero, the estimate is undefined; all are then a half.
    """
    n1, n2, n3, n4 = (int((counts == value).sum()) for value in (1, 2, 3, 4))
    if min(n1, n2, n3) == 0:
        return np.array([0.0] + [FALLBACK_DISCOUNT] * 3)
    y = n1 / (n1 + 2 * n2)
    raw = np.array([0.0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])
    bounded: Floats = np.clip(raw, 0.0, np.arange(4.0))
    return bounded


@dataclass(frozen=True, slots=True)
class _Level:
    """One order of the model: P(w | h) = direct[h w] + backoff[h] * P(w | h without its first token)."""

    direct: Floats  # [n-grams]
    backoff: Floats  # [contexts]

    @classmethod
    def estimate(cls, counts: Ids, context: Ids, contexts: int) -> _Level:
        """From the count and the context's id of every n-gram, both [n-grams]."""
        taken = modified_discounts(counts)[np.minimum(counts, 3)]
        total = np.bincount(context, weights=counts, minlength=contexts)
        # A context without any count (the last tokens of the stream) says nothing: its mass goes to the order below.
        empty = total == 0
        total[empty] = 1
        backoff = np.bincount(context, weights=taken, minlength=contexts) / total
        backoff[empty] = 1
        return cls((counts - taken) / total[context], backoff)

    def interpolate(self, ngram: Ids, context: Ids, below: Floats) -> Floats:
        """P for n-grams and contexts by id, -1 where the training stream does not have them; all are [positions]."""
        direct = np.where(ngram >= 0, self.direct[ngram], 0.0)
        return np.where(context >= 0, direct + self.backoff[context] * below, below)


class KneserNey:
    """Interpolated modified Kneser-Ney of orders 1 to `order`, fitted to int [tokens] below `vocabulary`.

    An n-gram's id is its rank among the sorted keys `id of its first n - 1 tokens * vocabulary + last token`, so that
    keys are exact (no hashes) and stay far below 2**63. The stream counts as one text: contexts run across file
    borders, which are tokens of their own.
    """

    def __init__(self, tokens: NDArray[np.integer], vocabulary: int, order: int) -> None:
        if len(tokens) < order:
            raise ValueError(f"{len(tokens)} tokens are too few for order {order}: lower the order")
        self.vocabulary, self.order = vocabulary, order
        self._keys: list[Ids] = []
        self._highest: list[_Level] = []
        self._lower: list[_Level] = []
        stream = tokens.astype(np.int64)
        # ids[i] is the id of the n-gram that ends at token i + n - 1; there is one n-gram of length 0.
        ids = np.zeros(len(stream) + 1, dtype=np.int64)
        counts: Ids
        for n in range(1, order + 1):
            keys, first, inverse, counts = np.unique(
                ids[:-1] * vocabulary + stream[n - 1 :], return_index=True, return_inverse=True, return_counts=True
            )
            if n > 1:
                # How many different tokens stand before each shorter n-gram: it is the end of that many longer ones.
                continuations = np.bincount(ids[first + 1], minlength=len(self._keys[-1]))
                self._lower.append(self._level(continuations))
            self._keys.append(keys)
            self._highest.append(self._level(counts))
            ids = inverse

    def _level(self, counts: Ids) -> _Level:
        """The level of the longest n-grams so far, from one count for each."""
        n = len(self._lower) + 1
        contexts = len(self._keys[n - 2]) if n > 1 else 1
        return _Level.estimate(counts, self._keys[n - 1] // self.vocabulary, contexts)

    def probabilities(self, tokens: NDArray[np.integer]) -> list[Floats]:
        """For each order from 1: the probability of every token after the order - 1 tokens before it, float64 [tokens].

        Near the start, where fewer stand before it, those there are count as the context.
        """
        stream = tokens.astype(np.int64)
        context = np.zeros(len(stream), dtype=np.int64)
        below = np.full(len(stream), 1.0 / self.vocabulary)
        results = []
        for n in range(self.order):
            ngram = _find(self._keys[n], np.where(context >= 0, context * self.vocabulary + stream, -1))
            results.append(self._highest[n].interpolate(ngram, context, below))
            if n + 1 < self.order:
                below = self._lower[n].interpolate(ngram, context, below)
            context = np.concatenate([np.array([-1], dtype=np.int64), ngram[:-1]])
        return results


def _find(keys: Ids, wanted: Ids) -> Ids:
    """The rank of each wanted value among the sorted keys, -1 where it is not one of them."""
    rank = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[rank] == wanted, rank, -1)
