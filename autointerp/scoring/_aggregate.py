"""From scores of many features to one figure: means, differences between two sets of explanations, and how many it takes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from autointerp.records import Score, ScoreResult, Unscored
from autointerp.scoring._bootstrap import LEVEL, Sample
from autointerp.scoring._protocol import Graded

_RESAMPLES = 400
_FEWEST = 2

Draw = Callable[[Sample], float]


@dataclass(frozen=True, slots=True)
class Summary:
    """A mean over features beside the reasons why others have no value: these are counted, never averaged."""

    result: ScoreResult
    unscored: dict[str, int]


def mean_over_features(name: str, graded: Sequence[Graded], *, seed: int) -> Summary:
    """The mean of one score over features, with a bootstrap over features and over the documents that they share.

    A document that is drawn twice counts twice in the scores of all features: features tested on the same texts are not
    independent of each other.
    """
    scored, reasons = _split(graded)
    if len(scored) < _FEWEST:
        reason = f"{len(scored)} of {len(graded)} features have a value; at least {_FEWEST} are needed"
        return Summary(Unscored(name=name, reason=reason), reasons)
    samples = [g.sample for g in scored]
    values = np.array([_value(g) for g in scored])
    random = np.random.default_rng([seed, 11])
    means = []
    for _ in range(_RESAMPLES):
        again = _drawn(samples, values, random)
        means.append(again[random.integers(len(again), size=len(again))].mean())
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    score = Score(name=name, value=float(values.mean()), ci=(float(low), float(high)), n=len(scored))
    return Summary(score, reasons)


def paired_difference(name: str, first: Sequence[Graded], second: Sequence[Graded], *, seed: int) -> Summary:
    """Mean of first less second over the features that have a value in both; the same documents and features are drawn.

    The two list the same features in the same order. Raises ValueError where they differ in number.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} scores cannot be paired with {len(second)}: give both for the same features")
    _, reasons = _split([*first, *second])
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if _has(a) and _has(b)]
    if len(pairs) < _FEWEST:
        reason = f"{len(pairs)} of {len(first)} features have both values; at least {_FEWEST} are needed"
        return Summary(Unscored(name=name, reason=reason), reasons)
    sides = [([g.sample for g in side], np.array([_value(g) for g in side])) for side in zip(*pairs, strict=True)]
    difference = sides[0][1] - sides[1][1]
    random = np.random.default_rng([seed, 12])
    means = []
    for _ in range(_RESAMPLES):
        state = random.integers(2**62)
        own, other = (_drawn(samples, values, np.random.default_rng(state)) for samples, values in sides)
        means.append((own - other)[random.integers(len(pairs), size=len(pairs))].mean())
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    deviation = float(difference.std(ddof=1))
    score = Score(
        name=name,
        value=float(difference.mean()),
        ci=(float(low), float(high)),
        n=len(pairs),
        also={"standard_deviation": deviation},
    )
    return Summary(score, reasons)


def features_needed(deviation: float, difference: float, *, power: float = 0.8, level: float = 0.05) -> int:
    """How many features show a mean paired difference, by a two-sided test of that level with that power.

    n = ((z(1 - level/2) + z(power)) · deviation / difference)², rounded up; the normal approximation, which is somewhat too
    small below twenty. Raises ValueError for a difference of zero.
    """
    if not difference:
        raise ValueError("no number of features shows a difference of 0: give the smallest that matters")
    normal = NormalDist()
    wanted = normal.inv_cdf(1 - level / 2) + normal.inv_cdf(power)
    return max(_FEWEST, math.ceil((wanted * deviation / difference) ** 2))


def _has(graded: Graded) -> bool:
    return isinstance(graded.result, Score)


def _value(graded: Graded) -> float:
    assert isinstance(graded.result, Score)
    return graded.result.value


def _split(graded: Sequence[Graded]) -> tuple[list[Graded], dict[str, int]]:
    reasons = Counter(g.result.reason for g in graded if isinstance(g.result, Unscored))
    return [g for g in graded if _has(g)], dict(reasons.most_common())


def _drawn(
    samples: Sequence[Sample | None], values: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.float64]:
    """Every value again, with documents drawn with replacement, the same ones for all; where undefined, as it was."""
    known = np.unique(np.concatenate([s.documents for s in samples if s is not None] or [np.zeros(0, np.int32)]))
    drawn = (
        np.zeros(0)
        if not len(known)
        else np.bincount(random.integers(len(known), size=len(known)), minlength=len(known))
    )
    again = values.copy()
    for i, sample in enumerate(samples):
        if sample is not None:
            weights = drawn[np.searchsorted(known, sample.documents)].astype(np.float64)
            value = sample.statistic(weights) if weights.any() else float("nan")
            again[i] = value if np.isfinite(value) else values[i]
    return again
