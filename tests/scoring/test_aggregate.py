"""Means over features and paired differences, where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from autointerp.records import Score, Unscored
from autointerp.scoring import Graded, Sample, features_needed, mean_over_features, paired_difference


def graded(values: np.ndarray, documents: np.ndarray) -> Graded:
    """A score that is the mean of one number for each text."""
    sample = Sample(lambda w: float(w @ values / w.sum()), documents.astype(np.int32))
    score = Score(name="made", value=sample.value(), ci=(-9, 9), n=len(values))
    return Graded(score, sample=sample)


def width(score: object) -> float:
    assert isinstance(score, Score)
    return score.ci[1] - score.ci[0]


def test_what_has_no_value_is_counted_and_not_averaged() -> None:
    documents = np.arange(4)
    whole = [graded(np.full(4, v), documents) for v in (0.2, 0.6)]
    missing = [Graded(Unscored(name="made", reason="why not"))] * 3
    summary = mean_over_features("made", [*whole, *missing], seed=0)
    assert isinstance(summary.result, Score)
    assert (summary.result.value, summary.result.n) == (pytest.approx(0.4), 2)
    assert summary.unscored == {"why not": 3}


def test_one_feature_has_no_mean() -> None:
    summary = mean_over_features("made", [graded(np.ones(3), np.arange(3))], seed=0)
    assert isinstance(summary.result, Unscored)


def test_shared_documents_widen_the_interval() -> None:
    random = np.random.default_rng(0)
    noise = random.normal(size=12)
    alike = [graded(noise, np.arange(12)) for _ in range(30)]
    apart = [graded(noise, np.arange(12) + 12 * i) for i in range(30)]
    same, own = (mean_over_features("made", some, seed=0).result for some in (alike, apart))
    # With documents of their own thirty features average their noise away; with the same ones they do not.
    assert width(same) > 3 * width(own)


def test_a_paired_difference_forgets_what_both_share() -> None:
    random = np.random.default_rng(1)
    base = random.normal(size=(20, 8))
    first = [graded(row + 0.1, np.arange(8)) for row in base]
    second = [graded(row, np.arange(8)) for row in base]
    result = paired_difference("made", first, second, seed=0).result
    assert isinstance(result, Score)
    assert result.value == pytest.approx(0.1)
    assert result.ci == (pytest.approx(0.1), pytest.approx(0.1))


def test_unequal_sets_cannot_be_paired() -> None:
    with pytest.raises(ValueError, match="cannot be paired"):
        paired_difference("made", [], [graded(np.ones(2), np.arange(2))], seed=0)


@pytest.mark.parametrize(("deviation", "difference", "count"), [(1.0, 0.5, 32), (0.2, 0.1, 32), (1.0, -0.28, 101)])
def test_features_needed_is_the_textbook_number(deviation: float, difference: float, count: int) -> None:
    # (1.959964 + 0.841621)² = 7.848879, times (deviation / difference)².
    assert features_needed(deviation, difference) == count


def test_no_difference_needs_no_number() -> None:
    with pytest.raises(ValueError, match="difference of 0"):
        features_needed(1.0, 0.0)
