"""The texts of a split: token ids of each passage, and where it is from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from autointerp.activations._arrays import Sink
from autointerp.activations._documents import rank_of
from autointerp.activations._numbers import ragged
from autointerp.activations._plan import SPLITS, ShardText
from autointerp.activations._sealed import Stored
from autointerp.errors import InputError

_AT_ONCE = 2048


def put_shard(sink: Sink, text: ShardText, *, length: int, bos: int, padding: int) -> None:
    """Store the passages of a shard, split by split."""
    lengths = np.diff(text.ends, prepend=0)
    for number, split in enumerate(SPLITS):
        inside = np.flatnonzero(text.splits == number)
        tokens = np.full((len(inside), length), padding, dtype=np.int32)
        tokens[:, 0] = bos
        rows = np.repeat(np.arange(len(inside)), lengths[inside])
        places = ragged(np.ones(len(inside), dtype=np.int64), lengths[inside])
        tokens[rows, places] = text.ids[ragged(text.starts[inside], lengths[inside])]
        sink.append(f"{split}/tokens", tokens)
        sink.append(f"{split}/lengths", (lengths[inside] + 1).astype(np.int32))
        sink.append(f"{split}/lines", text.lines[inside])
        sink.append(f"{split}/ranks", text.ranks[inside])
        names = [text.documents[i] for i in inside]
        marks = np.array([mark_of(name) for name in names], dtype=np.uint64)
        unique, first, document = np.unique(marks, return_index=True, return_inverse=True)
        sink.append(f"{split}/documents", document.astype(np.int32))
        _put_names(sink, split, unique, [names[i] for i in first])


def mark_of(name: bytes) -> int:
    """The number by which the documents of a split are sorted and told apart."""
    return rank_of(name.decode("utf-8", "surrogatepass"))


def _put_names(sink: Sink, split: str, marks: NDArray[np.uint64], names: Sequence[bytes]) -> None:
    sink.append(f"{split}/document_marks", marks)
    sink.append_counts(f"{split}/document_indptr", np.array([len(name) for name in names], dtype=np.int64))
    sink.append(f"{split}/document_names", np.frombuffer(b"".join(names), dtype=np.uint8))


def interleaved(parts: Sequence[Stored], split: str) -> list[NDArray[np.int64]]:
    """The number that each passage of each part has in the union, by rank.

    Raises InputError where two parts have a passage in common.
    """
    ranks = [part[f"{split}/ranks"].read() for part in parts]
    together = np.concatenate(ranks)
    order = np.argsort(together, kind="stable")
    ranked = together[order]
    if (ranked[1:] == ranked[:-1]).any():
        raise InputError(
            "these indices share passages, so their counts cannot be added: merge parts of one corpus, or different corpora"
        )
    numbers = np.empty(len(order), dtype=np.int64)
    numbers[order] = np.arange(len(order))
    return np.split(numbers, np.cumsum([len(r) for r in ranks])[:-1])


def put_union(
    sink: Sink, parts: Sequence[Stored], split: str, numbers: Sequence[NDArray[np.int64]]
) -> NDArray[np.uint64]:
    """Store the passages of all parts in the order of `interleaved`; returns a hash of the tokens of each passage."""
    marks = [part[f"{split}/document_marks"].read() for part in parts]
    union, first = np.unique(np.concatenate(marks), return_index=True)
    _put_names(sink, split, union, _names(parts, split, first))
    documents = [np.searchsorted(union, own) for own in marks]
    total = sum(map(len, numbers))
    length = parts[0][f"{split}/tokens"].shape[1]
    multipliers = np.random.default_rng(0).integers(0, 1 << 63, length, dtype=np.uint64) * 2 + 1
    hashes = np.zeros(total, dtype=np.uint64)
    # Once even without any: every array has to be there.
    for start in range(0, max(total, 1), _AT_ONCE):
        stop = min(start + _AT_ONCE, total)
        tokens = np.zeros((stop - start, length), dtype=np.int32)
        whole = np.zeros((3, stop - start), dtype=np.int32)
        ranks = np.zeros(stop - start, dtype=np.uint64)
        for part, mine, own in zip(parts, numbers, documents, strict=True):
            # The passages of a part keep their order, so that those in this stretch stand side by side.
            low, high = (int(i) for i in np.searchsorted(mine, [start, stop]))
            if low == high:
                continue
            here = mine[low:high] - start
            tokens[here] = part[f"{split}/tokens"].read(low, high)
            ranks[here] = part[f"{split}/ranks"].read(low, high)
            for row, name in enumerate(("lengths", "lines")):
                whole[row, here] = part[f"{split}/{name}"].read(low, high)
            whole[2, here] = own[part[f"{split}/documents"].read(low, high)]
        sink.append(f"{split}/tokens", tokens)
        sink.append(f"{split}/ranks", ranks)
        for row, name in enumerate(("lengths", "lines", "documents")):
            sink.append(f"{split}/{name}", whole[row])
        hashes[start:stop] = (tokens.astype(np.uint64) * multipliers).sum(axis=1, dtype=np.uint64)
    return hashes


def _names(parts: Sequence[Stored], split: str, first: NDArray[np.int64]) -> list[bytes]:
    """The names of documents, given as their number in all parts one after the other."""
    names: list[bytes] = []
    for part in parts:
        ends = part[f"{split}/document_indptr"].read().tolist()
        blob = part[f"{split}/document_names"].read().tobytes()
        names += [blob[a:b] for a, b in pairwise(ends)]
    return [names[i] for i in first]
