"""How probable a model finds one text after another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from autointerp.models import Subject

_BATCH = 8


def log_probabilities(
    reader: Subject, contexts: Sequence[str], texts: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """log p(text | context) in nats, summed over the text's tokens, and their number; [texts] each.

    The text is cut at its end and the context at its beginning where the two are too long for the model together; the text
    has at most half of the room.
    """
    room = reader.context - 1
    rows, counts = [], []
    for context, text in zip(contexts, texts, strict=True):
        read = reader.encode(text)[: room // 2]
        before = reader.encode(context)[-(room - len(read)) :]
        rows.append([reader.bos, *before, *read])
        counts.append(len(read))
    sums = []
    for start in range(0, len(rows), _BATCH):
        some = rows[start : start + _BATCH]
        logits = reader.run(reader.pad(some), logits=True).logits
        assert logits is not None
        for row, line, count in zip(some, logits, counts[start : start + _BATCH], strict=True):
            if not count:
                sums.append(0.0)
                continue
            own = torch.tensor(row[-count:])
            said = line[len(row) - count - 1 : len(row) - 1].double().cpu().log_softmax(-1)
            sums.append(float(said.gather(1, own[:, None]).sum()))
    return np.array(sums), np.array(counts, dtype=np.int64)
