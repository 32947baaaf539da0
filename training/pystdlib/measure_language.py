"""Figures of the language model of `pystdlib`: the loss of every token of a stream, and induction."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import LlamaForCausalLM

from training.pystdlib.data import Tokens

BATCH = 16  # windows a forward pass


def windows_of(tokens: Tokens, bos: int, length: int, stride: int) -> Tensor:
    """Windows that start every `stride` tokens until the last token is in one, int64 [windows, 1 + length], BOS first.

    What the last window lacks at its end is filled with BOS.
    """
    count = 1 + max(0, math.ceil((len(tokens) - length) / stride))
    starts = np.arange(count) * stride
    padded = np.append(tokens, np.full(starts[-1] + length - len(tokens), bos, dtype=tokens.dtype))
    column = np.full((count, 1), bos, dtype=np.int64)
    return torch.from_numpy(np.concatenate([column, padded[starts[:, None] + np.arange(length)]], axis=1))


def token_losses(model: LlamaForCausalLM, ids: Tensor) -> Tensor:
    """Nats of every token but the first, float32 [batch, tokens - 1], of int64 ids [batch, tokens]."""
    logits = model.lm_head(model.model(ids, use_cache=False).last_hidden_state[:, :-1])
    return nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none").view(len(ids), -1)


@torch.no_grad()
def stream_losses(model: LlamaForCausalLM, tokens: Tokens, bos: int, length: int, stride: int) -> NDArray[np.float64]:
    """Nats of every token of a stream, each scored once, float64 [tokens].

    Windows of BOS and `length` tokens start every `stride` tokens. The first scores all of its tokens, each later one
    its last `stride`: those that the window before it did not reach.
    """
    losses = np.full(len(tokens), np.nan)
    windows = windows_of(tokens, bos, length, stride)
    for start in range(0, len(windows), BATCH):
        batch = token_losses(model, windows[start : start + BATCH].to(model.device)).double().cpu().numpy()
        for number, row in enumerate(batch, start):
            skip = 0 if number == 0 else length - stride
            here = losses[number * stride + skip : number * stride + length]
            here[:] = row[skip : skip + len(here)]
    bad = int((~np.isfinite(losses)).sum())
    if bad:
        raise RuntimeError(f"{bad} of {len(losses)} tokens have no finite loss: are the weights finite?")
    return losses


def bits_per_byte(nats: NDArray[np.float64], tokens: Tokens, bos: int, size: int) -> float:
    """Bits for all tokens of the files, over their `size` in bytes. The BOS between files is no part of any file."""
    return float(nats[tokens != bos].sum()) / math.log(2) / size


@torch.no_grad()
def induction_losses(
    model: LlamaForCausalLM, bos: int, ordinary: NDArray[np.int64], *, half: int, sequences: int, seed: int
) -> tuple[float, float]:
    """Mean nats on the first and on the second half of BOS + r + r, where r is `half` tokens drawn from `ordinary`.

    The first token of the second half does not count: nothing before it says that the repeat begins.
    """
    random = np.random.default_rng(seed)
    r = random.choice(ordinary, size=(sequences, half))
    ids = torch.from_numpy(np.concatenate([np.full((sequences, 1), bos, dtype=np.int64), r, r], axis=1))
    losses = torch.cat([token_losses(model, part.to(model.device)) for part in ids.split(BATCH)]).double()
    return losses[:, :half].mean().item(), losses[:, half + 1 :].mean().item()
