"""Pooled correlation against numpy and the standard library."""

from __future__ import annotations

from statistics import correlation

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autointerp.scoring import pooled_correlation


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(2, 30), st.floats(0.3, 1.0), st.floats(0, 1e3))
def test_it_is_pearson_over_all_places_that_count(
    seed: int, texts: int, length: int, kept: float, shift: float
) -> None:
    random = np.random.default_rng(seed)
    x = random.normal(size=(texts, length)) + shift
    y = 0.5 * x + random.exponential(size=(texts, length))
    mask = random.random((texts, length)) < kept
    if mask.sum() < 3:
        return
    value = pooled_correlation(x, y, mask)
    assert value == pytest.approx(np.corrcoef(x[mask], y[mask])[0, 1], abs=1e-6)
    assert value == pytest.approx(correlation(x[mask].tolist(), y[mask].tolist()), abs=1e-6)


def test_what_is_masked_does_not_count() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(2, 4, 10)).astype(np.float32)
    mask = random.random((4, 10)) < 0.6
    other_x, other_y = np.where(mask, x, 1e6), np.where(mask, y, -1e6)
    assert pooled_correlation(x, y, mask) == pytest.approx(pooled_correlation(other_x, other_y, mask), abs=1e-12)


def test_pooled_is_not_the_mean_of_the_texts() -> None:
    # Within each text the two go apart; over both they go together.
    x, y = np.array([[1.0, 2.0], [11.0, 12.0]]), np.array([[2.0, 1.0], [12.0, 11.0]])
    assert pooled_correlation(x, y, np.ones((2, 2), dtype=bool)) > 0.9


@pytest.mark.parametrize("constant", [0.0, 1.0, 0.1, 1234.5])
def test_a_constant_side_has_no_correlation(constant: float) -> None:
    y = np.random.default_rng(0).normal(size=(3, 7))
    mask = np.ones((3, 7), dtype=bool)
    assert np.isnan(pooled_correlation(np.full((3, 7), constant), y, mask))
    assert np.isnan(pooled_correlation(y, np.full((3, 7), constant), mask))


def test_nothing_has_no_correlation() -> None:
    assert np.isnan(pooled_correlation(np.ones((2, 3)), np.ones((2, 3)), np.zeros((2, 3), dtype=bool)))
