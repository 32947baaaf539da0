"""The index holds what a plain dense computation over the same passages gives."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from autointerp.activations import (
    Corpus,
    Index,
    IndexSettings,
    RefineView,
    Split,
    SplitView,
    TestView,
    TrainView,
    activations_on,
    build_index,
    feature_stats,
    open_corpus,
    split_of,
)
from autointerp.dictionaries import Dictionary, Sparse, open_dictionary
from autointerp.errors import CorpusError
from autointerp.models import Subject
from autointerp.records import Site, SiteKind
from autointerp.testing import tiny_corpus, tiny_encoder
from tests.activations.dense import dense, jumprelu

SPLITS = ("train", "refine", "test")
DEAD = 63
ROUNDING = {"rtol": 1e-4, "atol": 1e-4}
#: Of an activation that is stored in 16 bits, which a value computed in another order may round to the next of.
STORED = {"rtol": 6e-4, "atol": 1e-4}


@pytest.fixture(scope="module")
def truth(subject: Subject, dictionary_folder: Path, index: Index) -> dict[str, NDArray[np.float32]]:
    encode = jumprelu(dictionary_folder)
    return {split: dense(subject.module, encode, getattr(index, split)) for split in SPLITS}


@pytest.fixture(scope="module")
def small(
    subject: Subject, dictionary: Dictionary, corpus: Corpus, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Index, IndexSettings]:
    """An index in which most features reach their cap, of forty shards."""
    settings = IndexSettings(tokens=6000, context=24, train_cap=120, heldout_cap=40, shard=150)
    folder = tmp_path_factory.mktemp("small") / "index"
    return build_index(subject, dictionary, corpus, folder, key="k", settings=settings), settings


@pytest.fixture(scope="module")
def small_truth(
    subject: Subject, dictionary_folder: Path, small: tuple[Index, IndexSettings]
) -> dict[str, NDArray[np.float32]]:
    encode = jumprelu(dictionary_folder)
    return {split: dense(subject.module, encode, getattr(small[0], split)) for split in SPLITS}


def texts_of(subject: Subject, view: SplitView) -> list[str]:
    return [
        subject.tokenizer.decode(ids[1:length].tolist()) for ids, length in zip(view.tokens, view.lengths, strict=True)
    ]


def test_passages_are_the_text_of_their_documents(subject: Subject, corpus: Corpus, index: Index) -> None:
    texts = {document.id: document.text for document in corpus.documents()}
    seen = []
    for split in SPLITS:
        view: SplitView = getattr(index, split)
        assert view.length == subject.context
        for number, text in enumerate(texts_of(subject, view)):
            name, line = view.where(number)
            assert split_of(name) is Split(split)
            whole = texts[name]
            begin = sum(map(len, whole.splitlines(keepends=True)[: line - 1]))
            # The last token may end inside a character or a line: the passage is a beginning of what stands there.
            assert whole[begin:].startswith(text)
            assert text
            seen.append((name, text))
            length = int(view.lengths[number])
            assert view.tokens[number, 0] == subject.bos
            assert (view.tokens[number, length:] == subject.bos).all()
            assert 2 <= length <= view.length
    assert len({name for name, _ in seen}) == len(texts)


def test_splits_share_no_document_and_no_passage(subject: Subject, index: Index) -> None:
    views = [getattr(index, split) for split in SPLITS]
    assert [type(view) for view in views] == [TrainView, RefineView, TestView]
    documents = [{view.where(i)[0] for i in range(view.passages)} for view in views]
    texts = [{tuple(ids[:n].tolist()) for ids, n in zip(view.tokens, view.lengths, strict=True)} for view in views]
    assert not any(a & b for group in (documents, texts) for i, a in enumerate(group) for b in group[:i])
    assert sum(map(len, texts)) == sum(view.passages for view in views)


def test_counts_totals_and_maxima(index: Index, truth: dict[str, NDArray[np.float32]]) -> None:
    acts = np.concatenate([truth[split].reshape(-1, 64) for split in SPLITS])
    np.testing.assert_array_equal(index.active, (acts > 0).sum(0))
    np.testing.assert_allclose(index.total, acts.sum(0, dtype=np.float64), **ROUNDING)
    np.testing.assert_allclose(index.maximum, acts.max(0), **ROUNDING)
    assert index.meta.tokens == sum(int((getattr(index, split).lengths - 1).sum()) for split in SPLITS)
    assert index.meta.features == 64
    assert index.meta.not_finite == 0
    assert index.active[DEAD] == 0
    assert (np.asarray(index.active)[:DEAD] > 0).all()


def test_histogram_has_quarter_octaves(index: Index, truth: dict[str, NDArray[np.float32]]) -> None:
    acts = np.concatenate([truth[split].reshape(-1, 64) for split in SPLITS])
    edges = 2.0 ** (-12 + np.arange(113) / 4)
    for feature in range(64):
        values = acts[:, feature][acts[:, feature] > 0]
        # A value that is rounded differently may fall on the other side of an edge.
        apart = np.abs(values[:, None] / edges - 1).min(1, initial=1) > 1e-5
        counted, _ = np.histogram(values[apart], edges)
        assert (np.asarray(index.histogram[feature]) >= counted).all()
        assert index.histogram[feature].sum() == len(values)


@pytest.mark.parametrize("split", SPLITS)
def test_top_passages_are_the_strongest(index: Index, truth: dict[str, NDArray[np.float32]], split: str) -> None:
    view: SplitView = getattr(index, split)
    best = truth[split].max(1)
    for feature in range(64):
        found, values = view.top(feature)
        expected = np.sort(best[:, feature][best[:, feature] > 0])[::-1][:24]
        np.testing.assert_allclose(values, expected, **ROUNDING)
        np.testing.assert_allclose(best[found, feature], values, **ROUNDING)
        assert len(set(found.tolist())) == len(found)
    assert len(view.top(DEAD)[0]) == 0


@pytest.mark.parametrize("split", SPLITS)
def test_below_the_cap_everything_is_known(index: Index, truth: dict[str, NDArray[np.float32]], split: str) -> None:
    view: SplitView = getattr(index, split)
    whole = 0
    for feature in range(64):
        windows = view.windows(feature)
        expected = truth[split][: windows.passages, :, feature]
        np.testing.assert_allclose(windows.dense(view.length), expected, **STORED)
        np.testing.assert_allclose(windows.maxima(), expected.max(1, initial=0), **STORED)
        whole += windows.passages == view.passages
    assert whole > 30
    assert view.windows(DEAD).passages == view.passages
    assert len(view.windows(DEAD).values) == 0


@pytest.mark.parametrize("split", SPLITS)
def test_up_to_the_cap_everything_is_known(
    small: tuple[Index, IndexSettings], small_truth: dict[str, NDArray[np.float32]], split: str
) -> None:
    index, settings = small
    view: SplitView = getattr(index, split)
    cap = settings.train_cap if split == "train" else settings.heldout_cap
    assert view.length == settings.context
    capped = 0
    for feature in range(64):
        windows = view.windows(feature)
        expected = small_truth[split][: windows.passages, :, feature]
        np.testing.assert_allclose(windows.dense(view.length), expected, **STORED)
        if windows.passages < view.passages:
            capped += 1
            assert len(windows.values) >= cap
            before = small_truth[split][: windows.passages - 1, :, feature]
            assert (before > 0).sum() < cap
    assert capped > 5


def test_totals_know_no_cap(small: tuple[Index, IndexSettings], small_truth: dict[str, NDArray[np.float32]]) -> None:
    acts = np.concatenate([small_truth[split].reshape(-1, 64) for split in SPLITS])
    np.testing.assert_array_equal(small[0].active, (acts > 0).sum(0))
    assert 6000 <= small[0].meta.tokens < 6000 + 24


@pytest.mark.parametrize("split", SPLITS)
def test_bos_and_padding_are_never_active(index: Index, split: str) -> None:
    view: SplitView = getattr(index, split)
    assert (view.lengths < view.length).any()
    for feature in range(64):
        windows = view.windows(feature)
        assert (windows.places > 0).all()
        assert (windows.places < view.lengths[windows.rows]).all()


def test_lookup_gives_the_same_activations(
    subject: Subject, dictionary: Dictionary, index: Index, truth: dict[str, NDArray[np.float32]]
) -> None:
    for feature in (0, 20, DEAD):
        found = activations_on(subject, dictionary, feature, index.train.tokens[:40], index.train.lengths[:40])
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, truth["train"][:40, :, feature], **ROUNDING)
    nothing = activations_on(subject, dictionary, 0, index.train.tokens[:0], index.train.lengths[:0])
    assert nothing.shape == (0, index.train.length)


def test_stats_of_a_feature(
    subject: Subject,
    dictionary: Dictionary,
    dictionary_folder: Path,
    index: Index,
    truth: dict[str, NDArray[np.float32]],
) -> None:
    feature = 7
    acts = np.concatenate([truth[split].reshape(-1, 64)[:, feature] for split in SPLITS])
    stats = feature_stats(subject, dictionary, index, feature)
    active = acts[acts > 0]
    assert (stats.tokens, stats.active) == (index.meta.tokens, len(active))
    assert stats.density == pytest.approx(len(active) / stats.tokens)
    assert (stats.maximum, stats.mean_active) == pytest.approx((active.max(), active.mean()), rel=1e-4)
    assert sum(stats.histogram_counts) == len(active)
    assert stats.histogram_counts[0] > 0 < stats.histogram_counts[-1]
    assert stats.histogram_edges[0] <= active.min() < stats.histogram_edges[1]
    assert stats.histogram_edges[-2] <= active.max() < stats.histogram_edges[-1]

    rows = np.asarray(dictionary.directions(), dtype=np.float64)
    cosines = rows @ rows[feature] / (np.linalg.norm(rows, axis=1) * np.linalg.norm(rows[feature]))
    order = [int(i) for i in np.argsort(-cosines) if i != feature][:10]
    assert [n.index for n in stats.neighbours] == order
    assert [n.cosine for n in stats.neighbours] == pytest.approx(cosines[order].tolist(), abs=1e-5)

    gain = subject.module.model.norm.weight.detach()
    logits = (subject.module.lm_head.weight @ (gain * dictionary.direction(feature))).detach().numpy()
    logits = logits - logits.mean()
    ranked = np.argsort(-logits)
    assert [t.token for t in stats.top_logits] == [subject.strings[i] for i in ranked[:10]]
    assert [t.token for t in stats.bottom_logits] == [subject.strings[i] for i in ranked[:-11:-1]]
    assert [t.logit for t in stats.bottom_logits] == pytest.approx(logits[ranked[:-11:-1]].tolist(), abs=1e-4)


def test_stats_of_a_dead_feature(subject: Subject, dictionary: Dictionary, index: Index) -> None:
    stats = feature_stats(subject, dictionary, index, DEAD)
    assert (stats.active, stats.density, stats.maximum, stats.mean_active) == (0, 0.0, 0.0, 0.0)
    assert (stats.histogram_edges, stats.histogram_counts) == ((), ())
    assert len(stats.top_logits) == 10


class Broken:
    """A dictionary some of whose activations are no numbers."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def encode(self, x: torch.Tensor) -> Sparse:
        acts = self._inner.encode(x)
        values = acts.values.clone()
        values[acts.features == 0] = float("nan")
        values[(acts.features == 1) & (acts.rows % 2 == 0)] = float("inf")
        return Sparse(acts.rows, acts.features, values)


def test_what_is_not_finite_is_counted_and_left_out(
    subject: Subject,
    dictionary: Dictionary,
    corpus: Corpus,
    index: Index,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken = build_index(subject, Broken(dictionary), corpus, tmp_path / "index", key="k")
    assert broken.meta.not_finite > int(index.active[0])
    assert f"{broken.meta.not_finite} activations of" in caplog.text
    assert broken.meta.not_finite + int(broken.active[1]) == int(index.active[0]) + int(index.active[1])
    assert (broken.active[0], broken.maximum[0], broken.total[0], broken.histogram[0].sum()) == (0, 0, 0, 0)
    assert 0 < broken.active[1] < index.active[1]
    for array in (broken.total, broken.maximum, broken.train.windows(1).values, broken.train.top(1)[1]):
        assert np.isfinite(array).all()
    np.testing.assert_array_equal(broken.active[2:], index.active[2:])


def test_progress_ends_where_it_said(subject: Subject, dictionary: Dictionary, corpus: Corpus, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    index = build_index(
        subject, dictionary, corpus, tmp_path / "i", key="k", progress=lambda done, size: told.append((done, size))
    )
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (index.meta.tokens, index.meta.tokens)
    assert len({size for _, size in told}) == 1
    assert len(told) > 4


def test_the_order_of_documents_makes_no_difference(
    subject: Subject, dictionary: Dictionary, corpus: Corpus, index: Index, tmp_path: Path
) -> None:
    turned = Corpus("turned", "0", lambda: iter(sorted(corpus.documents(), key=lambda d: d.id)))
    other = build_index(subject, dictionary, turned, tmp_path / "i", key="k")
    assert other.meta.corpus == index.meta.corpus
    for split in SPLITS:
        np.testing.assert_array_equal(getattr(other, split).tokens, getattr(index, split).tokens)


@pytest.mark.parametrize(
    ("documents", "says"), [(0, "train and refine and test"), (1, "without text: give more documents")]
)
def test_a_corpus_that_is_too_small(
    subject: Subject, dictionary: Dictionary, tmp_path: Path, documents: int, says: str
) -> None:
    corpus = open_corpus(str(tiny_corpus(tmp_path / "corpus", documents=documents)))
    with pytest.raises(CorpusError, match=says) as caught:
        build_index(subject, dictionary, corpus, tmp_path / "index", key="k")
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_documents_of_all_splits_are_sampled_alike(index: Index) -> None:
    shares = Counter({split: getattr(index, split).passages for split in SPLITS})
    assert shares["train"] > shares["refine"] > 5 < shares["test"] < shares["train"]


def test_neurons_of_an_encoder(corpus: Corpus, tmp_path: Path) -> None:
    encoder = Subject.load(str(tiny_encoder(tmp_path / "encoder")), device="cpu")
    neurons = open_dictionary("neurons:mlp.1", encoder)
    settings = IndexSettings(tokens=1500, context=24)
    index = build_index(encoder, neurons, corpus, tmp_path / "i", key="k", settings=settings)
    site = Site(layer=1, kind=SiteKind.MLP_HIDDEN)
    view = index.train
    assert (np.asarray(view.tokens)[:, 0] == encoder.bos).all()
    assert not np.isin(view.tokens, encoder.suffix).any()
    truth = np.zeros((view.passages, view.length, neurons.size), dtype=np.float32)
    for i in range(view.passages):
        text = view.tokens[i, : view.lengths[i]].tolist()
        assert (view.tokens[i, view.lengths[i] :] == encoder.padding).all()
        # Alone and closed as the encoder wants it; read at the text's own tokens.
        ids = torch.tensor([[*text, *encoder.suffix]])
        hidden = encoder.run(ids, capture=[site]).sites[site][0, 1 : len(text)].numpy()
        # A neuron that can be negative is two features, one for each sign.
        truth[i, 1 : len(text)] = np.maximum(np.concatenate([hidden, -hidden], axis=1), 0)
    for feature in range(0, neurons.size, 7):
        windows = view.windows(feature)
        np.testing.assert_allclose(windows.dense(view.length), truth[: windows.passages, :, feature], **STORED)
        found = activations_on(encoder, neurons, feature, view.tokens[:40], view.lengths[:40])
        np.testing.assert_allclose(found, truth[:40, :, feature], **ROUNDING)
    assert index.feature(0).examples
