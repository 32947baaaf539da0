"""The gate: a program's score on the refine split, as a function."""

from __future__ import annotations

import numpy as np

from autointerp.agents import Gate
from autointerp.errors import ProgramError
from autointerp.programs import Predictor
from autointerp.records import Program
from autointerp.scoring import pooled_correlation
from autointerp.study._open import Laboratory

_TEXTS = 64


def open_gate(laboratory: Laboratory, feature: int, predictor: Predictor) -> Gate:
    """Score programs by pooled correlation on refine texts, half of them activating; None where it is not defined."""
    view = laboratory.index.refine
    windows = view.windows(feature)
    maxima = windows.maxima()
    random = np.random.default_rng([laboratory.seed, feature, 3])
    firing, quiet = (random.permutation(np.flatnonzero(side))[: _TEXTS // 2] for side in (maxima > 0, maxima == 0))
    chosen = np.concatenate([firing, quiet])
    ids, lengths = view.tokens[chosen], view.lengths[chosen]
    true = windows.dense(view.length)[chosen]
    strings = laboratory.subject.strings
    texts = [[strings[i] for i in row[1:length]] for row, length in zip(ids, lengths, strict=True)]
    place = np.arange(ids.shape[1])
    mask = (place[None, :] > 0) & (place[None, :] < lengths[:, None])

    def gate(program: Program) -> float | None:
        if not len(firing):
            return None
        predicted = np.zeros(true.shape)
        try:
            for row, values in zip(predicted, predictor(program, texts), strict=True):
                row[1 : 1 + len(values)] = values
        except ProgramError:
            return None
        # A program may return numbers whose squares are none.
        with np.errstate(over="ignore", invalid="ignore"):
            value = pooled_correlation(predicted, true, mask)
        return value if np.isfinite(value) else None

    return gate
