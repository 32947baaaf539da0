"""Texts of a corpus, cut to a length that fits the context of a model."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from heapq import nsmallest
from itertools import islice

from autointerp.activations import Corpus, bucket
from autointerp.errors import OrganismError
from autointerp.eval.organisms._saving import is_fresh

#: As many texts of a corpus are kept as anyone will ask for.
_MOST = 20_000
#: From how many characters the length of a token is found out, and how much of the context a text fills on average.
_PROBE, _FILLED = 40_000, 0.8
LONGEST = 128


@dataclass(frozen=True, eq=False)
class Texts:
    """Runs of whole lines of a corpus that are up to `tokens` tokens long."""

    corpus: Corpus
    encode: Callable[[str], list[int]]
    tokens: int

    def sample(self, count: int, *, seed: int, fresh: bool) -> list[str]:
        """See `Organism.sample`. Raises OrganismError where the corpus has too few texts."""
        order = random.Random(seed).sample(self._all, len(self._all))
        fitting = (text for text in order if is_fresh(text) == fresh and 2 < len(self.encode(text)) <= self.tokens)
        found = list(islice(fitting, count))
        if len(found) < count:
            raise OrganismError(
                f"{self.corpus.name} has {len(found)} texts of up to {self.tokens} tokens for this side of the split, not"
                f" {count}: ask for fewer or give a larger corpus"
            )
        return found

    @cached_property
    def _all(self) -> list[str]:
        beginnings = (document.text[:400] for document in self.corpus.documents())
        probe = "".join(islice(beginnings, _PROBE // 400))
        characters = max(8, round(_FILLED * self.tokens * len(probe) / max(1, len(self.encode(probe)))))
        texts = {text for document in self.corpus.documents() for text in _cut(document.text, characters)}
        # Those of the lowest hashes, in that order: a choice that does not depend on the order of the documents. Something is
        # added to each, as its own hash decides on its side of the split.
        return nsmallest(_MOST, texts, key=lambda text: (bucket(f"text:{text}"), text))


def _cut(text: str, characters: int) -> Iterator[str]:
    """Runs of whole lines of at most so many characters; a longer line is a run by itself."""
    piece: list[str] = []
    size = 0
    for line in io.StringIO(text, newline="\n"):
        if piece and size + len(line) > characters:
            yield "".join(piece)
            piece, size = [], 0
        piece.append(line)
        size += len(line)
    if piece:
        yield "".join(piece)
