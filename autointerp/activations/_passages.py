"""How documents are cut into passages that fit the context, and which passages are taken."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autointerp.activations._corpus import Corpus
from autointerp.activations._documents import rank_of
from autointerp.activations._spill import TOP_RANK, Spill

#: A passage gets about this many characters for each token it may hold: a little more than most tokenisers pack into one.
_CHARACTERS_PER_TOKEN = 4
#: No token is longer on average: what a passage has beyond this is not shown to the tokeniser.
_MOST_PER_TOKEN = 32
#: Characters set aside for each token asked for, which leaves room for passages that turn out short, or to be copies.
_SPARE = 16
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Passage:
    """Consecutive lines of a document, as token ids without BOS. Passages are taken in the order of their rank."""

    document: str
    line: int
    ids: tuple[int, ...]
    rank: int


def passages(
    corpus: Corpus, encode: Callable[[str], list[int]], *, length: int, budget: int, scratch: Path
) -> Iterator[Passage]:
    """A uniform sample of passages of at most `length` tokens, `budget` tokens in all or all there are.

    They come in the order of a hash of their names, so that the first n of them are a uniform sample too, and no order of
    documents matters. What occurs twice is taken once, or the same words could stand in two splits. Candidates wait in files
    under `scratch`, in an amount that depends on `budget` and not on the corpus.
    """
    seen, left, least = Marks(), budget, 0
    while left > 0 and least < TOP_RANK:
        spill = Spill(scratch, left * _SPARE, least)
        for document in corpus.documents():
            name = document.id.encode("utf-8", "surrogatepass")
            for line, text in _cut(readable(document.text), length * _CHARACTERS_PER_TOKEN):
                cut = text[: length * _MOST_PER_TOKEN]
                spill.add(rank_of(f"{document.id}:{line}"), b"%d:%b" % (line, name), cut.encode())
        for passage in _distinct(spill, encode, length, seen):
            yield passage
            left -= len(passage.ids)
            if left <= 0:
                break
        spill.clear()
        # Where copies and short texts were more than was set aside for, the documents are read again for the next ranks.
        least = spill.limit


def _distinct(spill: Spill, encode: Callable[[str], list[int]], length: int, seen: Marks) -> Iterator[Passage]:
    before = -1
    for rank, name, content in spill:
        text = content.decode()
        key = text.strip()
        if not key or rank == before or not seen.add(key.encode()):
            continue
        # Long texts that differ behind the cut alone are the same passage.
        ids = tuple(encode(text)[:length])
        if ids and seen.add(np.array(ids, dtype=np.int64).tobytes()):
            before = rank
            line, _, document = name.partition(b":")
            yield Passage(document.decode("utf-8", "surrogatepass"), int(line), ids, rank)


class Marks:
    """A set of byte strings by 64 bits of their hash: eight bytes each for all but the latest."""

    _LATEST = 1 << 14

    def __init__(self) -> None:
        self._latest = set[int]()
        self._sorted: NDArray[np.uint64] = np.zeros(0, dtype=np.uint64)

    def add(self, content: bytes) -> bool:
        """Whether it was not there yet."""
        mark = int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")
        place = int(np.searchsorted(self._sorted, np.uint64(mark)))
        if mark in self._latest or (place < len(self._sorted) and int(self._sorted[place]) == mark):
            return False
        self._latest.add(mark)
        if len(self._latest) >= self._LATEST:
            latest = np.fromiter(self._latest, dtype=np.uint64, count=len(self._latest))
            self._sorted = np.sort(np.concatenate([self._sorted, latest]))
            self._latest.clear()
        return True


def readable(text: str) -> str:
    """The text with halves of surrogate pairs joined where both are there, and replaced where one is missing.

    Tokenisers read UTF-8, which has no way to write half a pair.
    """
    if _SURROGATE.search(text) is None:
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _cut(text: str, characters: int) -> Iterator[tuple[int, str]]:
    """Runs of whole lines of at least `characters`, with the number of the first line; the last run may be shorter."""
    start, line = 0, 1
    while start < len(text):
        end = text.find("\n", start + characters - 1) + 1 or len(text)
        piece = text[start:end]
        yield line, piece
        line += piece.count("\n")
        start = end
