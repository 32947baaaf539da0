"""What the weights alone say of features: the logits they raise and lower, and the features nearest to them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autointerp.activations._arrays import Sink
from autointerp.activations._sealed import Stored
from autointerp.dictionaries import Dictionary
from autointerp.models import Subject
from autointerp.records import Neighbour, TokenLogit

LISTED = 10
#: Features whose directions are compared at a time, and rows they are compared with.
_FEATURES, _ROWS = 1024, 8192
#: Every feature's list is made with the index where the rows to compare with are fewer than this, or than a quarter of the
#: index's tokens: it then costs a fraction of what encoding those tokens did.
_FEW = 65_536


def put_weights(sink: Sink, subject: Subject, dictionary: Dictionary, tokens: int) -> None:
    """Store neighbours and logits of all features, each where that is in proportion to an index of so many tokens."""
    affordable = max(_FEW, tokens // 4)
    chunks = [range(start, min(start + _FEATURES, dictionary.size)) for start in range(0, dictionary.size, _FEATURES)]
    if 1 < dictionary.size <= affordable:
        for chunk in chunks:
            numbers, cosines = nearest(dictionary, chunk)
            sink.append("weights/neighbours", numbers)
            sink.append("weights/cosines", cosines)
    unembedding = subject.unembedding
    if unembedding is None or len(unembedding) > affordable:
        return
    for chunk in chunks:
        written = subject.to_residual(dictionary.output_site, dictionary.directions(chunk.start, chunk.stop))
        if written is None:
            return
        numbers, logits = extreme(unembedding, written)
        sink.append("weights/logit_tokens", numbers)
        sink.append("weights/logits", logits)


def nearest(dictionary: Dictionary, features: range) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The features of nearest direction at the output site and the cosines, [features, LISTED], nearest first.

    Directions are read and compared a chunk at a time, so that a dictionary on disk stays there.
    """
    mine = _unit(dictionary.directions(features.start, features.stop))
    own = torch.arange(features.start, features.stop, device=mine.device)
    best = torch.full((len(mine), 0), -2.0, device=mine.device)
    numbers = torch.zeros((len(mine), 0), dtype=torch.int64, device=mine.device)
    for start in range(0, dictionary.size, _ROWS):
        rows = _unit(dictionary.directions(start, min(start + _ROWS, dictionary.size)))
        cosines = mine @ rows.T
        inside = (own >= start) & (own < start + len(rows))
        cosines[inside.nonzero()[:, 0], own[inside] - start] = -2.0
        here, places = cosines.topk(min(LISTED, cosines.shape[1]), dim=1)
        best, numbers = torch.cat([best, here], dim=1), torch.cat([numbers, places + start], dim=1)
        best, order = best.topk(min(LISTED, best.shape[1]), dim=1)
        numbers = numbers.gather(1, order)
    count = min(LISTED, dictionary.size - 1)
    return numbers[:, :count].int().cpu().numpy(), best[:, :count].cpu().numpy()


def _unit(rows: Tensor) -> Tensor:
    return torch.nn.functional.normalize(rows.float(), dim=1)


def extreme(unembedding: Tensor, written: Tensor) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Tokens whose logits are raised and lowered most by residual vectors, and the logits: [vectors, 2 * LISTED].

    Logits are those of the unembedding alone, less their mean over the vocabulary, which no softmax sees. First come the
    tokens that are raised, most first, then those that are lowered, most first.
    """
    logits = written.to(unembedding.device).float() @ unembedding.T.float()
    logits -= logits.mean(dim=1, keepdim=True)
    count = min(LISTED, logits.shape[1])
    high, raised = logits.topk(count, dim=1)
    low, lowered = logits.topk(count, dim=1, largest=False)
    numbers = torch.cat([raised, lowered], dim=1)
    return numbers.int().cpu().numpy(), torch.cat([high, low], dim=1).cpu().numpy()


def put_vocabulary(sink: Sink, strings: Sequence[str]) -> None:
    """Store the tokens as text, so that an index can be read without its model."""
    texts = [text.encode("utf-8", "surrogatepass") for text in strings]
    sink.append_counts("vocabulary/indptr", np.array([len(text) for text in texts], dtype=np.int64))
    sink.append("vocabulary/text", np.frombuffer(b"".join(texts), dtype=np.uint8))


class Vocabulary(dict[int, str]):
    """The tokens of an index as text; one is decoded when it is first asked for."""

    def __init__(self, stored: Stored) -> None:
        super().__init__()
        self._stored = stored

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        return self._stored["vocabulary/indptr"].read()

    @cached_property
    def _text(self) -> bytes:
        return self._stored["vocabulary/text"].read().tobytes()

    def __missing__(self, token: int) -> str:
        text = self._text[self._ends[token] : self._ends[token + 1]].decode("utf-8", "surrogatepass")
        self[token] = text
        return text

    def strings(self, ids: NDArray[Any]) -> tuple[str, ...]:
        """These tokens."""
        return tuple(map(self.__getitem__, ids.tolist()))


def stored_neighbours(stored: Stored, feature: int) -> tuple[Neighbour, ...]:
    """The nearest features, as far as the index has them."""
    if "weights/neighbours" not in stored:
        return ()
    numbers, cosines = (stored[f"weights/{name}"].read(feature, feature + 1)[0] for name in ("neighbours", "cosines"))
    return neighbours(numbers, cosines)


def neighbours(numbers: NDArray[np.int32], cosines: NDArray[np.float32]) -> tuple[Neighbour, ...]:
    """One row of `nearest` as records."""
    return tuple(Neighbour(index=i, cosine=c) for i, c in zip(numbers.tolist(), cosines.tolist(), strict=True))


def stored_logits(
    stored: Stored, vocabulary: Vocabulary, feature: int
) -> tuple[tuple[TokenLogit, ...], tuple[TokenLogit, ...]]:
    """The tokens that are raised and those that are lowered most, as far as the index has them."""
    if "weights/logits" not in stored:
        return (), ()
    tokens, logits = (stored[f"weights/{name}"].read(feature, feature + 1)[0] for name in ("logit_tokens", "logits"))
    return token_logits(vocabulary.strings(tokens), logits)


def token_logits(
    strings: Sequence[str], logits: NDArray[np.float32]
) -> tuple[tuple[TokenLogit, ...], tuple[TokenLogit, ...]]:
    """One row of `extreme` as records."""
    listed = tuple(TokenLogit(token=t, logit=value) for t, value in zip(strings, logits.tolist(), strict=True))
    return listed[: len(listed) // 2], listed[len(listed) // 2 :]
