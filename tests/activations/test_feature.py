"""Everything about one feature, read from the index: against a dense computation, and against the weights."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from autointerp.activations import Corpus, FeatureView, Index, IndexSettings, build_index, feature_stats
from autointerp.activations import _weights as weights_module
from autointerp.dictionaries import Dictionary, open_dictionary
from autointerp.errors import CacheError, FeatureError
from autointerp.models import Subject
from autointerp.records import Site, SiteKind
from tests.activations.dense import dense, jumprelu

DEAD = 63
RANGES = {"75-100%": (0.75, 1.0), "50-75%": (0.5, 0.75), "25-50%": (0.25, 0.5), "0-25%": (0.0, 0.25)}


@pytest.fixture(scope="module")
def train(subject: Subject, dictionary_folder: Path, index: Index) -> NDArray[np.float32]:
    return dense(subject.module, jumprelu(dictionary_folder), index.train)


@pytest.fixture(scope="module")
def views(index: Index) -> list[FeatureView]:
    return [index.feature(number) for number in range(64)]


def passage_of(index: Index, subject: Subject) -> dict[tuple[str, int, tuple[str, ...]], int]:
    """The number of a passage by what an example says of it."""
    view = index.train
    return {
        (*view.where(i), tuple(subject.strings[t] for t in view.tokens[i, 1 : view.lengths[i]])): i
        for i in range(view.passages)
    }


def test_examples_are_passages_with_their_activations(
    subject: Subject, index: Index, views: list[FeatureView], train: NDArray[np.float32]
) -> None:
    numbers = passage_of(index, subject)
    for view in views:
        seen = set()
        for example in view.examples:
            number = numbers[example.document, example.line, example.tokens]
            assert number not in seen
            seen.add(number)
            expected = train[number, 1 : 1 + len(example.tokens), view.feature]
            np.testing.assert_allclose(example.activations, expected, rtol=6e-4, atol=1e-4)


def test_examples_are_of_the_kind_that_they_are_said_to_be(
    subject: Subject, index: Index, views: list[FeatureView], train: NDArray[np.float32]
) -> None:
    numbers = passage_of(index, subject)
    maxima = np.asarray(index.maximum)
    counted = dict.fromkeys([*RANGES, "top", "near miss"], 0)
    for view in views[:DEAD]:
        peaks = train[: index.train.passages, :, view.feature].max(1)
        top = [e for e in view.examples if e.quantile == "top"]
        strongest = np.sort(peaks[peaks > 0])[::-1][: len(top)]
        assert len(top) == min(10, (peaks > 0).sum())
        np.testing.assert_allclose([max(e.activations) for e in top], strongest, rtol=6e-4)
        for example in view.examples:
            counted[example.quantile] += 1
            share = max(example.activations) / maxima[view.feature]
            if example.quantile in RANGES:
                low, high = RANGES[example.quantile]
                assert low - 1e-3 < share <= high + 1e-3
        for name in RANGES:
            assert sum(e.quantile == name for e in view.examples) <= 5
        for example in (e for e in view.examples if e.quantile == "near miss"):
            assert train[numbers[example.document, example.line, example.tokens], :, view.feature].max() == 0
    assert min(counted.values()) > 10


def test_near_misses_hold_the_features_tokens_or_are_its_neighbours_best(
    subject: Subject, index: Index, train: NDArray[np.float32]
) -> None:
    near = index.stored["near/passages"].read()
    kinds = {"tokens": 0, "neighbours": 0}
    for feature in range(DEAD):
        peaks = index.train.top_passages(feature)
        at = [train[p, :, feature].argmax() for p in peaks.passages]
        own = list(dict.fromkeys(int(index.train.tokens[p, i]) for p, i in zip(peaks.passages, at, strict=True)))[:8]
        neighbours = [n.index for n in index.feature(feature).stats.neighbours[:4]]
        strong = {int(p) for n in neighbours for p in index.train.top(n)[0]}
        silent = {int(p) for p in np.flatnonzero(train[:, :, feature].max(1) == 0)}
        for passage in near[feature, :4][near[feature, :4] >= 0].tolist():
            assert passage in silent
            ids = index.train.tokens[passage, 1 : index.train.lengths[passage]]
            assert np.isin(own, ids).any()
            kinds["tokens"] += 1
        for passage in near[feature, 4:][near[feature, 4:] >= 0].tolist():
            assert passage in silent & strong
            kinds["neighbours"] += 1
        alike = [p for p in sorted(silent) if np.isin(own, index.train.tokens[p, 1 : index.train.lengths[p]]).any()]
        assert near[feature, : min(4, len(alike))].tolist() == alike[:4]
    assert min(kinds.values()) > 20
    assert (near[DEAD] == -1).all()


def test_figures_are_those_of_feature_stats(
    subject: Subject, dictionary: Dictionary, index: Index, views: list[FeatureView]
) -> None:
    for view in views:
        assert view.stats == feature_stats(subject, dictionary, index, view.feature)


def test_a_dead_feature_has_figures_and_no_examples(views: list[FeatureView]) -> None:
    assert views[DEAD].examples == ()
    assert (views[DEAD].stats.active, views[DEAD].stats.histogram_counts) == (0, ())
    assert len(views[DEAD].stats.top_logits) == len(views[DEAD].stats.neighbours) == 10


@pytest.mark.parametrize("number", [-1, 64])
def test_a_number_out_of_range(index: Index, number: int) -> None:
    with pytest.raises(FeatureError, match=f"no feature {number}: give a number from 0 to 63"):
        index.feature(number)


def test_reading_needs_no_model_and_checks_what_it_reads(index: Index, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(index.folder, tmp_path / "i"))
    assert Index.open(folder).feature(7) == index.feature(7)
    path = folder / "train" / "codes.npy"
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    opened = Index.open(folder)  # sizes are right, and no content was read
    last = int(np.flatnonzero(np.asarray(opened.active))[-1])
    with pytest.raises(CacheError, match=r"codes\.npy is not what was written"):
        opened.train.windows(last)


def test_lists_are_left_out_where_they_would_cost_more_than_the_index(
    subject: Subject,
    dictionary: Dictionary,
    corpus: Corpus,
    index: Index,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(weights_module, "_FEW", 10)
    settings = IndexSettings(tokens=200)
    other = build_index(subject, dictionary, corpus, tmp_path / "i", key="k", settings=settings)
    assert (other.feature(7).stats.neighbours, other.feature(7).stats.top_logits) == ((), ())
    computed, stored = (feature_stats(subject, dictionary, which, 7) for which in (other, index))
    assert [n.index for n in computed.neighbours] == [n.index for n in stored.neighbours]
    assert [t.token for t in computed.top_logits] == [t.token for t in stored.top_logits]


def test_comparing_a_chunk_at_a_time_makes_no_difference(
    dictionary: Dictionary, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers, cosines = weights_module.nearest(dictionary, range(20, 50))
    monkeypatch.setattr(weights_module, "_ROWS", 7)
    chunked, found = weights_module.nearest(dictionary, range(20, 50))
    np.testing.assert_array_equal(chunked, numbers)
    np.testing.assert_allclose(found, cosines, rtol=1e-5)


@pytest.mark.parametrize("name", ["neurons:mlp.1", "heads:attn.1"])
def test_logits_of_what_is_written_elsewhere_go_through_the_matrix_behind_it(
    subject: Subject, corpus: Corpus, tmp_path: Path, name: str
) -> None:
    other = open_dictionary(name, subject)
    index = build_index(subject, other, corpus, tmp_path / "i", key="k", settings=IndexSettings(tokens=400))
    block = subject.module.model.layers[1]
    mlp = other.output_site.kind is SiteKind.MLP_HIDDEN
    behind = (block.mlp.down_proj if mlp else block.self_attn.o_proj).weight.detach()
    gain = subject.module.model.norm.weight.detach()
    for feature in (0, other.size - 1):
        logits = subject.module.lm_head.weight.detach() @ (gain * (behind @ other.direction(feature)))
        logits = (logits - logits.mean()).numpy()
        ranked = np.argsort(-logits)[:10]
        stats = index.feature(feature).stats
        assert [t.logit for t in stats.top_logits] == pytest.approx(logits[ranked].tolist(), abs=1e-4)
        assert stats == feature_stats(subject, other, index, feature)


def test_where_nothing_leads_to_the_logits_none_are_listed(
    subject: Subject, dictionary: Dictionary, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = Site(layer=1, kind=SiteKind.Q)
    assert subject.to_residual(queries, torch.zeros(1, subject.width_of(queries))) is None

    class Elsewhere:
        fingerprint, size, output_site = "other", dictionary.size, queries

        def direction(self, feature: int) -> torch.Tensor:
            return torch.ones(subject.width_of(queries))

        def directions(self, start: int = 0, stop: int | None = None) -> torch.Tensor:
            return dictionary.directions(start, stop)

    stats = feature_stats(subject, Elsewhere(), index, 7)  # type: ignore[arg-type]
    assert (stats.top_logits, stats.bottom_logits) == ((), ())
    assert [n.index for n in stats.neighbours] == [n.index for n in index.feature(7).stats.neighbours]
