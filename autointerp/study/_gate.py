"""The gate: a program's score on the refine split, as a function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autointerp.activations import RefineView
from autointerp.agents import Gate
from autointerp.errors import ProgramError
from autointerp.programs import Predictor
from autointerp.records import Program
from autointerp.scoring import pooled_correlation
from autointerp.study._open import Laboratory

_TEXTS = 64


@dataclass(frozen=True, slots=True, eq=False)
class RefineTexts:
    """Texts of the refine split, the first `active` of which activate the feature.

    Attributes
    ----------
    ids, lengths: token ids [texts, length] with BOS first, and places in use.
    activations: of the feature, [texts, length].
    """

    ids: NDArray[np.int32]
    lengths: NDArray[np.int32]
    activations: NDArray[np.float32]
    active: int

    def strings(self, vocabulary: Sequence[str]) -> list[list[str]]:
        """The tokens of each text, BOS left out."""
        return [[vocabulary[i] for i in row[1:n]] for row, n in zip(self.ids, self.lengths, strict=True)]

    def score(self, predictions: Sequence[Sequence[float]]) -> float | None:
        """Pooled correlation of predictions, one a token of each text; None where it is not defined."""
        if not self.active:
            return None
        predicted = np.zeros(self.activations.shape)
        for row, values in zip(predicted, predictions, strict=True):
            row[1 : 1 + len(values)] = values
        place = np.arange(self.ids.shape[1])
        mask = (place[None, :] > 0) & (place[None, :] < self.lengths[:, None])
        # A program may return numbers whose squares are none.
        with np.errstate(over="ignore", invalid="ignore"):
            value = pooled_correlation(predicted, self.activations, mask)
        return value if np.isfinite(value) else None


def refine_texts(view: RefineView, feature: int, *, seed: int) -> RefineTexts:
    """What the gate of a feature scores on: texts of the refine split at random, half of them activating."""
    windows = view.windows(feature)
    maxima = windows.maxima()
    random = np.random.default_rng([seed, feature, 3])
    firing, quiet = (random.permutation(np.flatnonzero(side))[: _TEXTS // 2] for side in (maxima > 0, maxima == 0))
    chosen = np.concatenate([firing, quiet])
    return RefineTexts(view.tokens[chosen], view.lengths[chosen], windows.dense(view.length)[chosen], len(firing))


def open_gate(laboratory: Laboratory, feature: int, predictor: Predictor) -> Gate:
    """Score programs by pooled correlation on refine texts, half of them activating; None where it is not defined."""
    held = refine_texts(laboratory.index.refine, feature, seed=laboratory.seed)
    texts = held.strings(laboratory.subject.strings)

    def gate(program: Program) -> float | None:
        if not held.active:
            return None
        try:
            return held.score(predictor(program, texts))
        except ProgramError:
            return None

    return gate
