"""Which texts an exam is made of."""

from __future__ import annotations

import numpy as np
import pytest

from autointerp.activations import Split, SplitView, activations_on, split_of
from autointerp.scoring import Exam, prepare_exam
from autointerp.study import Laboratory
from tests.scoring.known import DEAD, DOUBLE, SINGLE
from tests.scoring.made import near_tokens

OTHER_TOKENS = 4


def prepared(laboratory: Laboratory, feature: int, near: list[int], seed: int = 0) -> Exam:
    view = laboratory.index.test
    return prepare_exam(
        laboratory.subject, laboratory.dictionary, feature, view, matched=OTHER_TOKENS, near_tokens=near, seed=seed
    )


@pytest.fixture
def whole(known: Laboratory) -> Exam:
    return prepared(known, SINGLE, near_tokens(known))


def texts_of(view: SplitView) -> set[bytes]:
    return {row.tobytes() for row in view.tokens}


def test_half_is_active_and_a_quarter_looks_alike(whole: Exam, known: Laboratory) -> None:
    maxima = whole.activations.max(1)
    assert whole.active >= 5
    assert (maxima[: whole.active] > 0).all()
    assert (maxima[whole.active :] == 0).all()
    assert len(maxima) == 2 * whole.active
    assert whole.near == whole.active // 2
    alike = np.isin(whole.ids, near_tokens(known)).any(1)
    assert alike[whole.active : whole.active + whole.near].all()
    assert not alike[whole.active + whole.near :].any()


def test_half_is_silent_even_where_all_silent_texts_look_alike(known: Laboratory) -> None:
    everything = list(range(len(known.subject.strings)))
    exam = prepared(known, SINGLE, everything)
    assert len(exam.ids) == 2 * exam.active
    assert exam.near == exam.active // 2
    assert len({row.tobytes() for row in exam.ids}) == len(exam.ids)


def test_half_is_silent_even_where_none_looks_alike(known: Laboratory) -> None:
    exam = prepared(known, SINGLE, [])
    assert len(exam.ids) == 2 * exam.active
    assert exam.near == 0


def test_every_text_is_of_the_test_split(whole: Exam, known: Laboratory) -> None:
    index = known.index
    rows = {row.tobytes() for row in whole.ids}
    assert rows <= texts_of(index.test)
    assert not rows & (texts_of(index.train) | texts_of(index.refine))
    place = {row.tobytes(): i for i, row in enumerate(index.test.tokens)}
    for row, document in zip(whole.ids, whole.documents, strict=True):
        passage = place[row.tobytes()]
        assert document == index.test.documents[passage]
        assert split_of(index.test.where(passage)[0]) is Split.TEST


def test_documents_of_the_splits_are_disjoint(known: Laboratory) -> None:
    views = (known.index.train, known.index.refine, known.index.test)
    train, refine, test = ({view.where(i)[0] for i in range(view.passages)} for view in views)
    assert train
    assert refine
    assert test
    assert not train & refine
    assert not (train | refine) & test


def test_activations_are_those_of_the_feature(whole: Exam, known: Laboratory) -> None:
    for feature, found in ((SINGLE, whole.activations), (OTHER_TOKENS, whole.matched_activations)):
        values = known.dictionary._values[:, feature].numpy()[whole.ids] * whole.mask
        np.testing.assert_array_equal(found, values)
    fresh = activations_on(known.subject, known.dictionary, SINGLE, whole.ids, whole.lengths)
    np.testing.assert_allclose(whole.activations, fresh)


def test_strings_are_the_tokens_without_bos_and_padding(whole: Exam, known: Laboratory) -> None:
    strings = known.subject.strings
    for text, ids, length, mask in zip(whole.strings, whole.ids, whole.lengths, whole.mask, strict=True):
        assert list(text) == [strings[i] for i in ids[1:length]]
        assert mask.sum() == len(text) == length - 1
        assert not mask[0]


def test_spread_lays_predictions_under_their_tokens(whole: Exam) -> None:
    spread = whole.spread([[float(i + 1) for i in range(len(text))] for text in whole.strings])
    place = np.arange(whole.ids.shape[1])
    np.testing.assert_array_equal(spread, np.where(whole.mask, place[None, :], 0))


def test_active_texts_are_spread_over_the_range(laboratory: Laboratory) -> None:
    view = laboratory.index.test
    counts = [int((view.windows(f).maxima() > 0).sum()) for f in range(laboratory.dictionary.size)]
    feature = int(np.argmax(counts))
    exam = prepared(laboratory, feature, [])
    maxima = view.windows(feature).maxima()
    firing = np.sort(maxima[maxima > 0])
    assert len(firing) > exam.active == 32
    ranks = np.searchsorted(firing, exam.activations[: exam.active].max(1)) / (len(firing) - 1)
    np.testing.assert_allclose(np.sort(ranks), np.linspace(0, 1, exam.active), atol=1.5 / len(firing))


def test_the_seed_decides(known: Laboratory, whole: Exam) -> None:
    again, other = (prepared(known, SINGLE, near_tokens(known), seed) for seed in (0, 1))
    np.testing.assert_array_equal(again.ids, whole.ids)
    np.testing.assert_array_equal(again.activations, whole.activations)
    assert whole.active == other.active
    assert not np.array_equal(other.ids[other.active :], whole.ids[whole.active :])


def test_a_feature_that_is_silent_almost_nowhere_gets_the_silent_texts_there_are(known: Laboratory) -> None:
    exam = prepared(known, DOUBLE, near_tokens(known))
    silent = int((known.index.test.windows(DOUBLE).maxima() == 0).sum())
    assert exam.active > 5
    assert len(exam.ids) == exam.active + min(silent, exam.active)


def test_a_dead_feature_gives_an_empty_exam(known: Laboratory) -> None:
    exam = prepared(known, DEAD, near_tokens(known))
    assert (exam.active, exam.near, len(exam.ids)) == (0, 0, 0)
