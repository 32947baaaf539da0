"""Texts on which a feature is active and texts on which it is silent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autointerp.activations import SplitView
from autointerp.tools._bench import Workbench


@dataclass(frozen=True, slots=True)
class Sample:
    """Texts with one feature's activations.

    Attributes
    ----------
    passages: their numbers in the split, [texts].
    ids, lengths: token ids [texts, length] with BOS first, and places in use.
    activations: [texts, length].
    documents: the number of each text's document, [texts].
    active: how many of the texts, from the first on, activate the feature; the rest are silent.
    """

    passages: NDArray[np.int64]
    ids: NDArray[np.int32]
    lengths: NDArray[np.int32]
    activations: NDArray[np.float32]
    documents: NDArray[np.int32]
    active: int


def sample_texts(bench: Workbench, *, active: int, silent: int) -> Sample:
    """Up to so many active and silent texts of the train split, the active ones spread over the range of activation."""
    return draw(bench.train, bench.feature.index, active=active, silent=silent, seed=bench.seed)


def draw(view: SplitView, feature: int, *, active: int, silent: int, seed: int) -> Sample:
    """Draw from a split; active texts at evenly spaced ranks of their strongest activation, silent ones at random."""
    windows = view.windows(feature)
    dense, maxima = windows.dense(view.length), windows.maxima()
    firing = np.flatnonzero(maxima > 0)
    firing = firing[np.argsort(-maxima[firing], kind="stable")]
    if len(firing) > active:
        firing = firing[np.unique(np.linspace(0, len(firing) - 1, active).round().astype(int))]
    quiet = np.flatnonzero(maxima == 0)
    if len(quiet) > silent:
        quiet = np.random.default_rng([seed, feature]).choice(quiet, silent, replace=False)
    chosen = np.concatenate([firing, np.sort(quiet)])
    return Sample(
        passages=chosen,
        ids=view.tokens[chosen],
        lengths=view.lengths[chosen],
        activations=dense[chosen],
        documents=view.documents[chosen],
        active=len(firing),
    )
