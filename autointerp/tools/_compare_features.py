"""`compare_features`: are these features alike, by direction and by where they fire?"""

from __future__ import annotations

from itertools import combinations
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from autointerp.tools._bench import Workbench
from autointerp.tools._feature_stats import stats_of
from autointerp.tools._texts import feature_number
from autointerp.tools._tool import Arguments, Result, Tool


class CompareFeaturesArguments(Arguments):
    """Which features."""

    features: Annotated[
        tuple[Annotated[int, Field(ge=0)], ...],
        Field(min_length=1, max_length=8, description="Numbers of features; one is compared with that under study."),
    ]


class Pair(Result):
    """Two features.

    `cosine` is that of their directions at the first site they write to. The rest is counted over the tokens of the train
    split at which both are known: `both`, `first_only` and `second_only` are numbers of tokens, `jaccard` is both over either,
    and `correlation` is Pearson's of the activations at all tokens. Null where not defined.
    """

    first: int
    second: int
    cosine: float
    both: int
    first_only: int
    second_only: int
    jaccard: float | None
    correlation: float | None


class Brief(Result):
    """One feature in figures: density as a share of tokens, maximum and mean in activation units."""

    feature: int
    density: float
    maximum: float
    mean_active: float


class CompareFeaturesResult(Result):
    """All features and all pairs of them."""

    features: tuple[Brief, ...]
    pairs: tuple[Pair, ...]


class CompareFeatures(Tool[CompareFeaturesArguments, CompareFeaturesResult]):
    """See the module."""

    name = "compare_features"
    description = (
        "Compare features with each other: cosine of their directions, at how many tokens of the train split they fire"
        " together (Jaccard index) and how their activations correlate there. Tells duplicates, splits of one feature, and"
        " features that merely share a direction apart. Runs no model."
    )
    arguments = CompareFeaturesArguments
    result = CompareFeaturesResult

    def run(self, bench: Workbench, arguments: CompareFeaturesArguments) -> CompareFeaturesResult:
        """See `Tool.run`."""
        wanted = arguments.features if len(arguments.features) > 1 else (bench.feature.index, *arguments.features)
        numbers = list(dict.fromkeys(feature_number(bench, f, "features") for f in wanted))
        briefs = []
        for number in numbers:
            stats = stats_of(bench, number)
            briefs.append(
                Brief(feature=number, density=stats.density, maximum=stats.maximum, mean_active=stats.mean_active)
            )
        return CompareFeaturesResult(
            features=tuple(briefs), pairs=tuple(_pair(bench, a, b) for a, b in combinations(numbers, 2))
        )

    def render(self, result: CompareFeaturesResult) -> str:
        """See `Tool.render`."""
        lines = [
            f"feature {f.feature}: density {f.density:.2e}, maximum {f.maximum:.4g}, mean where active {f.mean_active:.4g}"
            for f in result.features
        ]
        for pair in result.pairs:
            jaccard = "not defined" if pair.jaccard is None else f"{pair.jaccard:.3f}"
            correlation = "not defined" if pair.correlation is None else f"{pair.correlation:+.3f}"
            lines.append(
                f"{pair.first} and {pair.second}: cosine {pair.cosine:+.3f}, correlation {correlation}, Jaccard {jaccard}"
                f" (both at {pair.both} tokens, only one at {pair.first_only} and {pair.second_only})"
            )
        return "\n".join(lines) + "\n"


def _pair(bench: Workbench, first: int, second: int) -> Pair:
    dictionary = bench.dictionary
    cosine = torch.nn.functional.cosine_similarity(
        dictionary.direction(first).float(), dictionary.direction(second).float(), dim=0
    )
    a, b = bench.train.windows(first), bench.train.windows(second)
    passages = min(a.passages, b.passages)
    length = bench.train.length
    x, y = (_known(w.rows * length + w.places, w.values, passages * length) for w in (a, b))
    tokens = int((np.asarray(bench.train.lengths[:passages]) - 1).sum())
    shared = np.intersect1d(x[0], y[0], assume_unique=True, return_indices=True)
    both = len(shared[0])
    return Pair(
        first=first,
        second=second,
        cosine=float(cosine),
        both=both,
        first_only=len(x[0]) - both,
        second_only=len(y[0]) - both,
        jaccard=both / (len(x[0]) + len(y[0]) - both) if len(x[0]) + len(y[0]) else None,
        correlation=_correlation(x[1], y[1], float(x[1][shared[1]] @ y[1][shared[2]]), tokens),
    )


def _known(
    places: NDArray[np.int64], values: NDArray[np.float32], end: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Places before `end`, and the values there."""
    inside = places < end
    return places[inside], values[inside].astype(np.float64)


def _correlation(x: NDArray[np.float64], y: NDArray[np.float64], product: float, tokens: int) -> float | None:
    """Pearson's over `tokens`, from the values that are not zero and the sum of products."""
    if not tokens:
        return None
    variances = [float(v @ v) / tokens - (float(v.sum()) / tokens) ** 2 for v in (x, y)]
    if min(variances) <= 0:
        return None
    covariance = product / tokens - float(x.sum()) * float(y.sum()) / tokens**2
    return float(np.clip(covariance / np.sqrt(variances[0] * variances[1]), -1.0, 1.0))
