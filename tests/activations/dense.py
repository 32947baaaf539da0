"""Activations of every feature at every token of an index's passages, computed plainly: what the index is checked against."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import nn

from autointerp.activations import SplitView
from autointerp.records import Site, SiteKind
from tests.models.plain import plain_run


def jumprelu(folder: Path) -> Callable[[torch.Tensor], torch.Tensor]:
    """The encoder of a SAELens folder, written out."""
    w = load_file(folder / "sae_weights.safetensors")

    def encode(x: torch.Tensor) -> torch.Tensor:
        pre = (x - w["b_dec"]) @ w["W_enc"] + w["b_enc"]
        return torch.where((pre > w["threshold"]) & (pre > 0), pre, 0.0)

    return encode


def dense(
    module: nn.Module, encode: Callable[[torch.Tensor], torch.Tensor], view: SplitView, layer: int = 1
) -> NDArray[np.float32]:
    """[passages, length, features]; one passage at a time, without padding. NaN stays NaN."""
    site = Site(layer=layer, kind=SiteKind.RESID_POST)
    rows = []
    for ids, length in zip(view.tokens, view.lengths, strict=True):
        seen, _ = plain_run(module, torch.from_numpy(np.array(ids[:length], dtype=np.int64))[None], capture=[site])
        acts = encode(seen[site][0])
        acts[0] = 0
        rows.append(nn.functional.pad(acts, (0, 0, 0, view.length - int(length))).numpy())
    return np.stack(rows)
