"""The statistics agree with closed forms, with numpy and with their definitions; anything but numbers is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autointerp.sandbox import NUMERIC
from autointerp.sandbox._special import incomplete_beta, t_two_sided

n = NUMERIC
finite = st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 3))
lists = st.lists(finite, min_size=3, max_size=30)


@given(lists, st.lists(st.floats(0, 1), min_size=1, max_size=5))
@settings(max_examples=50, deadline=None)
def test_summaries_agree_with_numpy(values: list[float], probabilities: list[float]) -> None:
    scale = max(map(abs, values)) + 1e-9
    assert n["mean"](values) == pytest.approx(np.mean(values), rel=1e-12, abs=1e-12 * scale)
    assert n["std"](values) == pytest.approx(np.std(values, ddof=1), rel=1e-9, abs=1e-9 * scale)
    assert n["quantiles"](values, probabilities) == pytest.approx(
        np.quantile(values, probabilities), rel=1e-9, abs=1e-9 * scale
    )
    counts, edges = np.histogram(values, bins=7)
    ours = n["histogram"](values, bins=7)
    assert ours["edges"] == pytest.approx(edges, rel=1e-9, abs=1e-9 * scale)
    assert sum(ours["counts"]) == len(values)
    # Values on an inner edge may fall to either side of it, by rounding.
    if not np.isclose(np.subtract.outer(values, edges[1:-1]), 0, atol=1e-9 * scale).any():
        assert ours["counts"] == counts.tolist()


@given(st.lists(st.tuples(finite, finite), min_size=3, max_size=30))
@settings(max_examples=50, deadline=None)
def test_correlations_and_fits_agree_with_numpy(pairs: list[tuple[float, float]]) -> None:
    x, y = map(list, zip(*pairs, strict=True))
    if np.std(x) < 1e-3 or np.std(y) < 1e-3:
        return
    assert n["corr"](x, y) == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-6)
    fit = n["linear_fit"](x, y)
    design = np.stack([np.array(x) - np.mean(x), np.ones(len(x))], axis=1)
    slope, middle = np.linalg.lstsq(design, np.array(y), rcond=None)[0]
    assert fit["slope"] == pytest.approx(slope, rel=1e-6, abs=1e-6)
    assert fit["intercept"] == pytest.approx(middle - slope * np.mean(x), rel=1e-5, abs=1e-3)
    assert fit["r2"] == pytest.approx(n["corr"](x, y) ** 2, abs=1e-6)


def ranks_by_definition(values: list[float]) -> list[float]:
    return [sum(v < u for v in values) + (sum(v == u for v in values) + 1) / 2 for u in values]


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=25))
@settings(max_examples=80, deadline=None)
def test_auc_and_ranks_are_their_definitions(rows: list[tuple[int, bool]]) -> None:
    scores, labels = map(list, zip(*rows, strict=True))
    positive = [s for s, label in rows if label]
    negative = [s for s, label in rows if not label]
    if not positive or not negative:
        with pytest.raises(ValueError, match="both kinds"):
            n["auc"](scores, labels)
        return
    wins = sum((p > q) + 0.5 * (p == q) for p in positive for q in negative)
    assert n["auc"](scores, labels) == pytest.approx(wins / len(positive) / len(negative))
    if len(set(scores)) > 1:
        expected = np.corrcoef(ranks_by_definition(scores), ranks_by_definition(labels))[0, 1]
        assert n["rank_corr"](scores, [int(label) for label in labels]) == pytest.approx(expected)


@pytest.mark.parametrize("t", [0.0, 1e-6, 0.3, 1.0, 2.5, 12.0, 1e4])
def test_tails_of_t_in_closed_form(t: float) -> None:
    # One degree of freedom is Cauchy's distribution, two and four have elementary ones; many are the normal.
    assert t_two_sided(t, 1) == pytest.approx(2 / math.pi * math.atan2(1, t), rel=1e-11)
    assert t_two_sided(t, 2) == pytest.approx(2 / (math.sqrt(2 + t * t) * (math.sqrt(2 + t * t) + t)), rel=1e-11)
    y = t * t / (4 + t * t)
    assert t_two_sided(t, 4) == pytest.approx(1 - math.sqrt(y) * (1 + (1 - y) / 2), rel=1e-9, abs=1e-15)
    assert t_two_sided(-t, 2) == t_two_sided(t, 2)
    assert t_two_sided(min(t, 1), 2e5) == pytest.approx(math.erfc(min(t, 1) / math.sqrt(2)), rel=1e-5)


def test_incomplete_beta_of_whole_numbers_is_a_binomial_tail() -> None:
    for a, b, x in [(1, 1, 0.3), (3, 5, 0.2), (10, 2, 0.9), (40, 60, 0.5), (2, 30, 0.01)]:
        m = a + b - 1
        tail = sum(math.comb(m, k) * x**k * (1 - x) ** (m - k) for k in range(a, m + 1))
        assert incomplete_beta(a, b, x, 1 - x) == pytest.approx(tail, rel=1e-10)
    assert incomplete_beta(2, 3, 0.0, 1.0) == 0
    assert incomplete_beta(2, 3, 1.0, 0.0) == 1


def test_t_test_on_an_example_by_hand() -> None:
    # Means 2 and 4, variances 1 and 4, three values each: t = -2 / sqrt(5/3), df = (5/3)² / ((1/9 + 16/9) / 2).
    found = n["t_test"]([1, 2, 3], [2, 4, 6])
    assert found["difference"] == -2
    assert found["t"] == pytest.approx(-2 / math.sqrt(5 / 3))
    assert found["df"] == pytest.approx((25 / 9) / (17 / 18))
    assert 0.2 < found["p"] < 0.3
    # One sample: the same t with n - 1 degrees of freedom.
    single = n["t_test"]([1, 2, 3])
    assert single == {"difference": 2, "t": pytest.approx(2 * math.sqrt(3)), "df": pytest.approx(2), "p": single["p"]}
    assert single["p"] == pytest.approx(t_two_sided(2 * math.sqrt(3), 2))


def test_p_values_of_a_true_null_are_uniform() -> None:
    rng = np.random.default_rng(0)
    p = sorted(n["t_test"](rng.normal(size=8).tolist(), rng.normal(size=5).tolist())["p"] for _ in range(400))
    assert max(abs(value - (i + 0.5) / 400) for i, value in enumerate(p)) < 1.63 / math.sqrt(400)


def test_the_interval_covers_the_mean_and_repeats() -> None:
    rng = np.random.default_rng(1)
    samples = [rng.normal(size=40).tolist() for _ in range(60)]
    found = [n["interval"](values, samples=200, seed=i) for i, values in enumerate(samples)]
    assert 50 <= sum(low <= 0 <= high for low, high in found) <= 60
    assert n["interval"](samples[0], seed=3) == n["interval"](samples[0], seed=3) != n["interval"](samples[0], seed=4)


BAD: list[Any] = [
    None, 5, "123", b"ab", {}, {1: 2}, {1.0, 2.0}, [], ["1", "2"], [1, None], [True, False], [[1, 2], [3]], [1 + 2j, 2],
    [float("nan"), 1], [float("inf"), 1], [10**400, 1], [1e200, 1], [0.0] * 100_001, range(3),
]  # fmt: skip


@pytest.mark.parametrize("name", sorted(NUMERIC))
def test_anything_but_numbers_is_refused(name: str) -> None:
    good = [1.0, 2.0, 4.0]
    for bad in BAD:
        with pytest.raises((TypeError, ValueError), match=name):
            n[name](bad, good) if name in ("corr", "rank_corr", "linear_fit", "quantiles") else (
                n[name](bad, [1, 0, 1]) if name == "auc" else n[name](bad)
            )
    if name in ("corr", "rank_corr", "linear_fit", "t_test"):
        for bad in BAD[1 if name == "t_test" else 0 :]:
            with pytest.raises((TypeError, ValueError), match=name):
                n[name](good, bad)


@pytest.mark.parametrize(
    ("name", "args", "says"),
    [
        ("corr", ([1, 2, 3], [1, 2]), "equal length"),
        ("corr", ([1, 1, 1], [1, 2, 3]), "constant"),
        ("linear_fit", ([1, 1], [1, 2]), "constant"),
        ("auc", ([1, 2, 3], [0, 1]), "one for each"),
        ("auc", ([1, 2], [0, 2]), "true or false"),
        ("auc", ([1, 2], ["a", "b"]), "true or false"),
        ("auc", ([1, 2], [1, 1]), "both kinds"),
        ("t_test", ([1, 1], [2, 2]), "do not vary"),
        ("t_test", ([1], [2, 3]), "takes 2"),
        ("quantiles", ([1, 2], [1.5]), "between 0 and 1"),
        ("histogram", ([1, 2], 0), "between 1 and"),
        ("histogram", ([1, 2], 10**9), "between 1 and"),
        ("histogram", ([1, 2], True), "whole number"),
        ("interval", ([1, 2], 1.0), "between 0 and 1"),
        ("interval", ([1, 2], 0.9, 10**9), "between 100"),
        ("interval", ([1.0] * 1000, 0.9, 5000), "take fewer"),
        ("interval", ([1, 2], 0.9, 100, -1), "seed"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(name: str, args: tuple[Any, ...], says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        n[name](*args)


def test_a_constant_list_has_one_bin_that_counts() -> None:
    found = n["histogram"]([2, 2, 2], 3)
    assert found == {"edges": pytest.approx([1.5, 1.8333333333333333, 2.1666666666666665, 2.5]), "counts": [0, 3, 0]}
