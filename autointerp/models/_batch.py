"""Texts of several lengths as one rectangle of token ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Token ids, and which of them are text.

    Attributes
    ----------
    ids: int64 [batch, tokens].
    mask: bool [batch, tokens], False at padding.
    """

    ids: Tensor
    mask: Tensor

    def __len__(self) -> int:
        return len(self.ids)


def rectangle(texts: Sequence[Sequence[int]], padding: int, side: Literal["right", "left"] = "right") -> Batch:
    """Fill texts of token ids up with `padding` to the longest of them, on one side."""
    longest = max(map(len, texts), default=0)
    rows, masks = [], []
    for ids in texts:
        fill = longest - len(ids)
        before, after = (fill, 0) if side == "left" else (0, fill)
        rows.append([*[padding] * before, *ids, *[padding] * after])
        masks.append([*[False] * before, *[True] * len(ids), *[False] * after])
    shape = (len(texts), longest)
    return Batch(
        torch.tensor(rows, dtype=torch.int64).reshape(shape), torch.tensor(masks, dtype=torch.bool).reshape(shape)
    )
