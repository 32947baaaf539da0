"""What a scientist is given: a bench on the train split and the gate; and the feature that is the null."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autointerp.activations import feature_stats
from autointerp.agents import Gate
from autointerp.dictionaries import Dictionary
from autointerp.errors import FeatureError
from autointerp.programs import Predictor
from autointerp.records import FeatureRef
from autointerp.study._gate import open_gate
from autointerp.study._open import Laboratory
from autointerp.tools import Workbench


def bench_of(laboratory: Laboratory, reference: FeatureRef, upstream: Sequence[Dictionary] = ()) -> Workbench:
    """The bench of a feature, which holds the train split; `upstream` are further dictionaries of the model."""
    return Workbench(
        subject=laboratory.subject,
        dictionary=laboratory.dictionary,
        feature=reference,
        stats=feature_stats(laboratory.subject, laboratory.dictionary, laboratory.index, reference.index),
        train=laboratory.index.train,
        seed=laboratory.seed,
        held_out=laboratory.index.held_out,
        upstream=tuple(upstream),
    )


def open_bench(laboratory: Laboratory, reference: FeatureRef, predictor: Predictor) -> tuple[Workbench, Gate]:
    """The bench of a feature, and the gate to its refine split."""
    return bench_of(laboratory, reference), open_gate(laboratory, reference.index, predictor)


def matched_feature(laboratory: Laboratory, feature: int) -> int:
    """A random feature among the twenty live ones whose density is nearest: the null that scores are compared with.

    Raises FeatureError where no other feature is live.
    """
    found = like_in_density(laboratory.index.active, feature, seed=laboratory.seed)
    if found is None:
        raise FeatureError(f"{laboratory.dictionary.name} has no live feature beside {feature} to compare it with")
    return found


def like_in_density(active: NDArray[np.int64], feature: int, *, seed: int) -> int | None:
    """The same from the number of tokens at which each feature is active, [features]; None where no other is live."""
    distance = np.abs(np.log(np.maximum(active, 1)) - np.log(max(1, int(active[feature]))))
    distance[active == 0] = np.inf
    distance[feature] = np.inf
    near = np.argsort(distance, kind="stable")[: min(20, int(np.isfinite(distance).sum()))]
    return int(np.random.default_rng([seed, feature]).choice(near)) if len(near) else None
