"""Which texts a scientist gets to see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autointerp.activations import SplitView
from autointerp.study import Laboratory
from autointerp.tools import Workbench, sample_texts
from tests.scoring.known import DEAD, RARE, SINGLE
from tests.tools.benches import bench_of


@pytest.fixture
def busy(laboratory: Laboratory) -> Workbench:
    """The bench of the feature that is active in most texts of the train split, so that there is something to choose from."""
    train = laboratory.index.train
    counts = [int((train.windows(f).maxima() > 0).sum()) for f in range(laboratory.dictionary.size)]
    return bench_of(laboratory, int(np.argmax(counts)))


def test_active_texts_are_spread_over_the_quantiles(busy: Workbench) -> None:
    sample = sample_texts(busy, active=20, silent=5)
    assert sample.active == 20
    maxima = busy.train.windows(busy.feature.index).maxima()
    firing = np.sort(maxima[maxima > 0])
    assert len(firing) > 40
    found = sample.activations[:20].max(1)
    edges = np.quantile(firing, [0.25, 0.5, 0.75])
    quarters = np.bincount(np.digitize(found, edges), minlength=4)
    assert quarters.min() >= 4
    assert quarters.max() <= 6
    assert found.max() == firing[-1]
    assert (np.diff(found) <= 0).all()


def test_texts_are_of_the_given_split(known: Laboratory) -> None:
    bench = bench_of(known, SINGLE)
    sample = sample_texts(bench, active=30, silent=30)
    train = known.index.train
    np.testing.assert_array_equal(sample.ids, train.tokens[sample.passages])
    np.testing.assert_array_equal(sample.lengths, train.lengths[sample.passages])
    np.testing.assert_array_equal(sample.documents, train.documents[sample.passages])
    others: list[SplitView] = [known.index.refine, known.index.test]
    elsewhere = {row.tobytes() for view in others for row in view.tokens}
    assert not elsewhere & {row.tobytes() for row in sample.ids}


def test_activations_are_the_features(known: Laboratory) -> None:
    sample = sample_texts(bench_of(known, SINGLE), active=30, silent=30)
    place = np.arange(sample.ids.shape[1])
    mask = (place > 0) & (place < sample.lengths[:, None])
    truth = known.dictionary._values[:, SINGLE].numpy()[sample.ids] * mask
    np.testing.assert_array_equal(sample.activations, truth)
    assert (sample.activations[: sample.active].max(1) > 0).all()
    assert (sample.activations[sample.active :] == 0).all()
    assert len(sample.ids) == 60


def test_fewer_texts_than_asked_for_are_all_there_are(known: Laboratory) -> None:
    sample = sample_texts(bench_of(known, RARE), active=500, silent=5000)
    maxima = known.index.train.windows(RARE).maxima()
    assert sample.active == (maxima > 0).sum() > 0
    assert len(sample.ids) == len(maxima)
    assert len(set(sample.passages.tolist())) == len(maxima)


def test_a_dead_feature_has_silent_texts_alone(known: Laboratory) -> None:
    sample = sample_texts(bench_of(known, DEAD), active=5, silent=5)
    assert sample.active == 0
    assert len(sample.ids) == 5


def test_the_seed_decides(known: Laboratory) -> None:
    bench = bench_of(known, SINGLE)
    first, again = sample_texts(bench, active=9, silent=9), sample_texts(bench, active=9, silent=9)
    np.testing.assert_array_equal(first.passages, again.passages)
    other = sample_texts(replace(bench, seed=1), active=9, silent=9)
    np.testing.assert_array_equal(first.passages[:9], other.passages[:9])
    assert set(first.passages[9:].tolist()) != set(other.passages[9:].tolist())
