"""Measures of ranking against tables worked by hand, and against scikit-learn and scipy where they are installed."""

from __future__ import annotations

import numpy as np
import pytest

from autointerp.scoring import auroc, average_precision, balanced_accuracy, pooled_correlation, ranks


@pytest.mark.parametrize(
    ("scores", "truth", "area", "precision"),
    [
        # Three true, two false; of the six pairs one is the wrong way round, and one is a tie.
        ([5, 4, 2, 3, 2], [1, 1, 1, 0, 0], (2 + 2 + 0.5) / 6, 1 / 3 + 1 / 3 + (3 / 5) / 3),
        ([1, 2, 3, 4], [0, 0, 1, 1], 1.0, 1.0),
        ([4, 3, 2, 1], [0, 0, 1, 1], 0.0, (1 / 3 + 2 / 4) / 2),
        ([7, 7, 7, 7], [0, 1, 0, 1], 0.5, 0.5),
    ],
)
def test_tables(scores: list[int], truth: list[int], area: float, precision: float) -> None:
    values, true = np.array(scores, float), np.array(truth, bool)
    assert auroc(values, true) == pytest.approx(area)
    assert average_precision(values, true) == pytest.approx(precision)


def test_balanced_accuracy_counts_both_kinds_alike() -> None:
    truth = np.array([1, 1, 1, 1, 0], bool)
    assert balanced_accuracy(np.ones(5, bool), truth) == 0.5
    assert balanced_accuracy(np.array([1, 1, 1, 0, 0], bool), truth) == (0.75 + 1) / 2


@pytest.mark.parametrize("measure", [auroc, average_precision, balanced_accuracy])
def test_without_a_true_case_there_is_no_value(measure: object) -> None:
    said = np.array([0, 1, 1], bool)
    assert np.isnan(measure(said if measure is balanced_accuracy else said.astype(float), np.zeros(3, bool)))  # type: ignore[operator]


def test_a_weight_is_a_number_of_copies() -> None:
    random = np.random.default_rng(0)
    values, truth, weights = random.integers(0, 6, 40) * 1.0, random.random(40) < 0.4, random.integers(0, 4, 40)
    copies = np.repeat(np.arange(40), weights)
    for measure in (auroc, average_precision):
        assert measure(values, truth, weights) == pytest.approx(measure(values[copies], truth[copies]))
    said = values > 2
    assert balanced_accuracy(said, truth, weights) == pytest.approx(balanced_accuracy(said[copies], truth[copies]))


def test_equal_values_share_their_rank() -> None:
    assert ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1.0, 3.5, 2.0]


def test_parity_with_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(1)
    for _ in range(20):
        values, truth = random.integers(0, 9, 50) * 1.0, random.random(50) < 0.3
        truth[:2] = True, False
        assert auroc(values, truth) == pytest.approx(metrics.roc_auc_score(truth, values))
        assert average_precision(values, truth) == pytest.approx(metrics.average_precision_score(truth, values))
        assert balanced_accuracy(values > 4, truth) == pytest.approx(metrics.balanced_accuracy_score(truth, values > 4))


def test_parity_with_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    random = np.random.default_rng(2)
    x, y = random.integers(0, 5, (6, 30)) * 1.0, random.random((6, 30))
    mask = random.random((6, 30)) < 0.8
    assert pooled_correlation(x, y, mask) == pytest.approx(stats.pearsonr(x[mask], y[mask]).statistic)
    assert ranks(x[mask]).tolist() == stats.rankdata(x[mask]).tolist()
