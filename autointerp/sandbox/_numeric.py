"""Statistics that code in a sandbox may call on the host: small, exact about their arguments, bounded in time.

They take lists of finite numbers and nothing else, raise TypeError or ValueError with a message for whoever wrote the
code, and return floats, lists and dicts.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from autointerp.sandbox._special import t_two_sided

_MOST_VALUES = 100_000
_MOST_BINS = 1000
#: Draws of one bootstrap: values times samples.
_MOST_DRAWS = 2_000_000


def mean(values: list[float]) -> float:
    """Arithmetic mean."""
    numbers = _numbers("mean", values, least=1)
    return math.fsum(numbers) / len(numbers)


def std(values: list[float]) -> float:
    """Standard deviation of a sample (n - 1 in the denominator), of two or more values."""
    return math.sqrt(_variance(_numbers("std", values, least=2)))


def quantiles(values: list[float], probabilities: list[float]) -> list[float]:
    """One quantile per probability, linear between order statistics (type 7 of Hyndman and Fan 1996)."""
    ordered = sorted(_numbers("quantiles", values, least=1))
    found = []
    for probability in _numbers("quantiles", probabilities, least=1):
        if not 0.0 <= probability <= 1.0:
            raise ValueError(f"quantiles: the probability {probability:g} is not between 0 and 1")
        place = probability * (len(ordered) - 1)
        low = min(int(place), len(ordered) - 1)
        high = min(low + 1, len(ordered) - 1)
        found.append(ordered[low] + (ordered[high] - ordered[low]) * (place - low))
    return found


def histogram(values: list[float], bins: int = 10) -> dict[str, list[float]]:
    """Counts in `bins` bins of equal width over the range; {'edges': bins + 1 numbers, 'counts': bins numbers}."""
    numbers = _numbers("histogram", values, least=1)
    count = _whole("histogram", "bins", bins, 1, _MOST_BINS)
    low, high = min(numbers), max(numbers)
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = [low + (high - low) * i / count for i in range(count)] + [high]
    counts = [0] * count
    for number in numbers:
        place = min(int((number - low) / (high - low) * count), count - 1)
        # The quotient may round across an edge.
        place += (place < count - 1 and number >= edges[place + 1]) - (number < edges[place])
        counts[place] += 1
    return {"edges": edges, "counts": [float(c) for c in counts]}


def corr(x: list[float], y: list[float]) -> float:
    """Pearson correlation of two lists of equal length that are not constant."""
    return _correlation("corr", *_pair("corr", x, y))


def rank_corr(x: list[float], y: list[float]) -> float:
    """Spearman correlation: Pearson's of the ranks, equal values sharing their mean rank."""
    a, b = _pair("rank_corr", x, y)
    return _correlation("rank_corr", _ranks(a), _ranks(b))


def linear_fit(x: list[float], y: list[float]) -> dict[str, float]:
    """Least squares y = intercept + slope x; {'slope', 'intercept', 'r2'}."""
    a, b = _pair("linear_fit", x, y)
    middle_a, middle_b = math.fsum(a) / len(a), math.fsum(b) / len(b)
    spread = math.fsum((u - middle_a) ** 2 for u in a)
    if spread == 0.0:
        raise ValueError("linear_fit: x is constant")
    slope = math.fsum((u - middle_a) * (v - middle_b) for u, v in zip(a, b, strict=True)) / spread
    intercept = middle_b - slope * middle_a
    total = math.fsum((v - middle_b) ** 2 for v in b)
    left = math.fsum((v - intercept - slope * u) ** 2 for u, v in zip(a, b, strict=True))
    return {"slope": slope, "intercept": intercept, "r2": 1.0 - left / total if total else 1.0}


def auc(scores: list[float], labels: list[bool]) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counting half.

    By the rank sum of Mann and Whitney (1947); labels are true or false, or 1 or 0, and both have to occur.
    """
    numbers = _numbers("auc", scores, least=2)
    if type(labels) not in (list, tuple) or len(labels) != len(numbers):
        raise TypeError(f"auc: labels must be a list of {len(numbers)} booleans, one for each score")
    if not all(type(label) in (bool, int, float) and label in (0, 1) for label in labels):
        raise TypeError("auc: every label must be true or false, or 1 or 0")
    positives = sum(map(bool, labels))
    if positives in (0, len(numbers)):
        raise ValueError("auc: labels must hold both kinds")
    ranked = math.fsum(rank for rank, label in zip(_ranks(numbers), labels, strict=True) if label)
    return (ranked - positives * (positives + 1) / 2) / (positives * (len(numbers) - positives))


def t_test(a: list[float], b: list[float] | None = None) -> dict[str, float]:
    """Do the means of `a` and `b` differ (Welch 1947), or is that of `a` alone (paired differences) not zero?

    {'difference', 't', 'df', 'p'} with a two-sided p.
    """
    first = _numbers("t_test", a, least=2)
    second = [0.0] if b is None else _numbers("t_test", b, least=2)
    difference = math.fsum(first) / len(first) - math.fsum(second) / len(second)
    shares = [_variance(numbers) / len(numbers) for numbers in (first, second) if len(numbers) > 1]
    squared = math.fsum(shares)
    if squared == 0.0:
        raise ValueError("t_test: the values do not vary, so that no test is possible")
    t = difference / math.sqrt(squared)
    freedoms = [len(numbers) - 1 for numbers in (first, second) if len(numbers) > 1]
    df = 1.0 / math.fsum((share / squared) ** 2 / n for share, n in zip(shares, freedoms, strict=True))
    return {"difference": difference, "t": t, "df": df, "p": t_two_sided(t, df)}


def interval(values: list[float], confidence: float = 0.95, samples: int = 1000, seed: int = 0) -> list[float]:
    """[low, high] of the mean: percentile bootstrap (Efron 1979) with a seed, the same for the same arguments."""
    numbers = _numbers("interval", values, least=2)
    level = _numbers("interval", [confidence], least=1)[0]
    draws = _whole("interval", "samples", samples, 100, 10_000)
    if not 0.0 < level < 1.0:
        raise ValueError(f"interval: the confidence {level:g} is not between 0 and 1")
    if draws * len(numbers) > _MOST_DRAWS:
        raise ValueError(f"interval: {len(numbers)} values × {draws} samples, at most {_MOST_DRAWS}: take fewer")
    rng = random.Random(_whole("interval", "seed", seed, 0, 2**32 - 1))
    means = [math.fsum(rng.choices(numbers, k=len(numbers))) / len(numbers) for _ in range(draws)]
    return quantiles(means, [(1 - level) / 2, (1 + level) / 2])


#: By the names under which code calls them.
NUMERIC: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {f.__name__: f for f in (auc, corr, histogram, interval, linear_fit, mean, quantiles, rank_corr, std, t_test)}
)


def _numbers(who: str, values: object, *, least: int) -> list[float]:
    """`values` as floats, or an error that says what they are instead."""
    if not isinstance(values, list | tuple):
        raise TypeError(f"{who} takes a list of numbers, found {type(values).__name__[:40]}")
    if not least <= len(values) <= _MOST_VALUES:
        raise ValueError(f"{who} takes {least} to {_MOST_VALUES} values, found {len(values)}")
    numbers = []
    for value in values:
        if type(value) not in (int, float):
            raise TypeError(f"{who} takes a list of numbers, found {type(value).__name__[:40]} in it")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not abs(number) <= 1e150:
            raise ValueError(f"{who} takes finite numbers up to 1e150, found {number:g}")
        numbers.append(number)
    return numbers


def _pair(who: str, x: object, y: object) -> tuple[list[float], list[float]]:
    a, b = _numbers(who, x, least=2), _numbers(who, y, least=2)
    if len(a) != len(b):
        raise ValueError(f"{who} takes two lists of equal length, found {len(a)} and {len(b)}")
    return a, b


def _whole(who: str, name: str, value: object, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{who}: {name} must be a whole number, found {type(value).__name__[:40]}")
    if not low <= value <= high:
        raise ValueError(f"{who}: {name} must be between {low} and {high}")
    return value


def _variance(numbers: list[float]) -> float:
    middle = math.fsum(numbers) / len(numbers)
    return math.fsum((number - middle) ** 2 for number in numbers) / (len(numbers) - 1)


def _correlation(who: str, a: list[float], b: list[float]) -> float:
    middle_a, middle_b = math.fsum(a) / len(a), math.fsum(b) / len(b)
    from_a, from_b = [u - middle_a for u in a], [v - middle_b for v in b]
    norm_a, norm_b = math.hypot(*from_a), math.hypot(*from_b)
    if norm_a == 0.0 or norm_b == 0.0:
        raise ValueError(f"{who}: a list is constant, so that there is no correlation")
    product = math.fsum((u / norm_a) * (v / norm_b) for u, v in zip(from_a, from_b, strict=True))
    return max(-1.0, min(1.0, product))


def _ranks(numbers: list[float]) -> list[float]:
    """Ranks from 1; equal numbers share the mean of theirs."""
    order = sorted(range(len(numbers)), key=numbers.__getitem__)
    starts = [i for i in range(len(order)) if i == 0 or numbers[order[i]] != numbers[order[i - 1]]]
    ranks = [0.0] * len(numbers)
    for start, end in pairwise([*starts, len(order)]):
        for place in order[start:end]:
            ranks[place] = (start + 1 + end) / 2
    return ranks
