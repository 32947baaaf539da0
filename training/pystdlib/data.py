"""The standard library as one array of tokens, and the windows that both trainers read."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from autointerp.activations._documents import is_unseen
from autointerp.activations._stdlib import stdlib_documents

Tokens = NDArray[np.int32]


def token_stream(tokenizer: PreTrainedTokenizerBase, *, unseen: bool) -> tuple[Tokens, int]:
    """All documents of one side of the split, each behind a BOS token, as int32 [tokens]; and their size in bytes."""
    pieces: list[Tokens] = []
    size = 0
    for document in stdlib_documents():
        if is_unseen(document.id) == unseen:
            ids = tokenizer.encode(document.text, add_special_tokens=False, verbose=False)
            pieces.append(np.asarray([tokenizer.bos_token_id, *ids], dtype=np.int32))
            size += len(document.text.encode("utf-8"))
    return np.concatenate(pieces), size


def epoch_windows(tokens: Tokens, length: int, epoch: int, seed: int) -> Tokens:
    """Every token once, int32 [windows, length], in a new order and cut at a new offset in each epoch."""
    random = np.random.default_rng([seed, epoch])
    offset = int(random.integers(length))
    count = (len(tokens) - offset) // length
    windows = tokens[offset : offset + count * length].reshape(count, length)
    return windows[random.permutation(count)]


def with_bos(windows: Tokens, bos: int) -> torch.Tensor:
    """Windows as the model always sees them, int64 [windows, 1 + length]: BOS first."""
    column = np.full((len(windows), 1), bos, dtype=np.int32)
    return torch.from_numpy(np.concatenate([column, windows], axis=1)).long()
