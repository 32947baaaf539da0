"""The interval has to cover, for data that come in clusters."""

from __future__ import annotations

import numpy as np

from autointerp.scoring import interval

RUNS = 200


def coverage(*, clustered: bool) -> float:
    """How often the interval of a mean holds the true mean, 0; forty documents of five texts that share much."""
    hits = 0
    for run in range(RUNS):
        random = np.random.default_rng([7, run])
        documents = np.repeat(np.arange(40, dtype=np.int32), 5)
        values = random.normal(size=40)[documents] + 0.5 * random.normal(size=200)
        owners = documents if clustered else np.arange(200, dtype=np.int32)
        low, high = interval(lambda w, v=values: float(w @ v / w.sum()), owners, seed=run, resamples=200)
        hits += low <= 0 <= high
    return hits / RUNS


def test_it_covers_about_as_often_as_it_says() -> None:
    assert 0.89 <= coverage(clustered=True) <= 0.98


def test_texts_taken_for_independent_would_not_do() -> None:
    # The check above can fail: this is what it would see if documents were ignored.
    assert coverage(clustered=False) < 0.8


def test_a_constant_statistic_gives_a_point() -> None:
    assert interval(lambda w: 0.25, np.arange(9, dtype=np.int32), seed=0) == (0.25, 0.25)


def test_one_document_gives_what_it_gives() -> None:
    values = np.array([1.0, 2.0, 6.0])
    assert interval(lambda w: float(w @ values / w.sum()), np.zeros(3, dtype=np.int32), seed=0) == (3.0, 3.0)


def test_resamples_without_a_value_are_left_out() -> None:
    documents = np.array([0, 1], dtype=np.int32)
    # Defined only where document 1 was drawn: then it is 2.
    low, high = interval(lambda w: 2.0 if w[1] else float("nan"), documents, seed=0)
    assert (low, high) == (2.0, 2.0)


def test_a_statistic_without_any_value_says_nothing() -> None:
    low, high = interval(lambda w: float("nan"), np.arange(3, dtype=np.int32), seed=0)
    assert low == -np.inf
    assert high == np.inf


def test_the_texts_of_a_document_are_drawn_together() -> None:
    documents = np.array([4, 4, 9, 9, 9, 2], dtype=np.int32)
    seen: list[np.ndarray] = []

    def statistic(weights: np.ndarray) -> float:
        seen.append(weights)
        return 0.0

    interval(statistic, documents, seed=0, resamples=50)
    assert len(seen) == 50
    for weights in seen:
        assert weights[0] == weights[1]
        assert weights[2] == weights[3] == weights[4]
        assert weights[0] + weights[2] + weights[5] == 3
    assert len({tuple(w) for w in seen}) > 5


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(0).normal(size=30)
    documents = np.arange(30, dtype=np.int32)

    def at(seed: int) -> tuple[float, float]:
        return interval(lambda w: float(w @ values / w.sum()), documents, seed=seed)

    assert at(3) == at(3)
    assert at(3) != at(4)
