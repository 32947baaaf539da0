"""Texts, dictionaries and settings that are not as they should be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autointerp.activations import Corpus, Document, Index, IndexSettings, build_index, open_corpus, split_of
from autointerp.activations._passages import readable
from autointerp.dictionaries import Dictionary, Sparse
from autointerp.errors import CorpusError, DictionaryError, InputError
from autointerp.models import Subject
from autointerp.records import Site, SiteKind

SETTINGS = IndexSettings(tokens=2000, context=32)
#: A text that no place of a split may be without, so that a corpus of odd texts can be indexed at all.
PLAIN = [f"plain text number {i}\n" for i in range(30)]


def corpus_of(path: Path, *odd: str) -> Corpus:
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in [*PLAIN, *odd]))
    return open_corpus(str(path))


def built(subject: Subject, dictionary: Dictionary, corpus: Corpus, folder: Path) -> Index:
    return build_index(subject, dictionary, corpus, folder / "i", key="k", settings=SETTINGS)


def texts_of(subject: Subject, index: Index) -> set[str]:
    return {
        subject.tokenizer.decode(ids[1:length].tolist())
        for view in (index.train, index.refine, index.test)
        for ids, length in zip(view.tokens, view.lengths, strict=True)
    }


@pytest.mark.parametrize("odd", ["", " ", "\n\n\n", "\t \n"])
def test_empty_texts_are_no_passages(subject: Subject, dictionary: Dictionary, tmp_path: Path, odd: str) -> None:
    index = built(subject, dictionary, corpus_of(tmp_path / "c.jsonl", odd), tmp_path)
    assert texts_of(subject, index) == set(PLAIN)


@pytest.mark.parametrize("odd", ["x", "\0", "\0\0 nothing \0", "é", "\U0001f600"])
def test_a_text_of_one_token_and_texts_with_nul(
    subject: Subject, dictionary: Dictionary, tmp_path: Path, odd: str
) -> None:
    index = built(subject, dictionary, corpus_of(tmp_path / "c.jsonl", odd), tmp_path)
    assert texts_of(subject, index) == {*PLAIN, odd}


def test_a_text_longer_than_the_context_is_cut(subject: Subject, dictionary: Dictionary, tmp_path: Path) -> None:
    odd = "abc " * 50_000
    index = built(subject, dictionary, corpus_of(tmp_path / "c.jsonl", odd), tmp_path)
    (long,) = texts_of(subject, index) - set(PLAIN)
    assert odd.startswith(long)
    assert max(int(view.lengths.max()) for view in (index.train, index.refine, index.test)) == 32


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("a\ud800b", "a�b"),
        ("\udc80", "�"),
        ("\ud83d\ude00", "\U0001f600"),
        ("\U0001f600", "\U0001f600"),
        ("\ude00\ud83d", "��"),
    ],
)
def test_lone_surrogates(subject: Subject, dictionary: Dictionary, tmp_path: Path, text: str, expected: str) -> None:
    assert readable(text) == expected
    index = built(subject, dictionary, corpus_of(tmp_path / "c.jsonl", text), tmp_path)
    assert texts_of(subject, index) == {*PLAIN, expected}


def test_a_name_with_a_lone_surrogate_comes_back(subject: Subject, dictionary: Dictionary, tmp_path: Path) -> None:
    documents = [Document(f"file \udcff {i}", text) for i, text in enumerate(PLAIN)]
    index = built(subject, dictionary, Corpus("odd", "0", lambda: iter(documents)), tmp_path)
    assert {index.train.where(i)[0] for i in range(index.train.passages)} == {
        d.id for d in documents if split_of(d.id) == "train"
    }


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_corpus_smaller_than_the_splits_need_costs_no_forward_pass(
    subject: Subject, dictionary: Dictionary, tmp_path: Path, count: int
) -> None:
    documents = [Document(f"d{i}", text) for i, text in enumerate(PLAIN[:count])]
    before = subject.usage.forward_passes
    with pytest.raises(CorpusError, match="split without text: give more documents"):
        built(subject, dictionary, Corpus("small", "0", lambda: iter(documents)), tmp_path)
    assert subject.usage.forward_passes == before
    assert list(tmp_path.iterdir()) == []


class Odd:
    """A dictionary that is not what it says."""

    def __init__(self, inner: Dictionary, **what: Any) -> None:
        self._inner = inner
        self.__dict__.update(what)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def test_a_dictionary_of_another_width(subject: Subject, dictionary: Dictionary, tmp_path: Path) -> None:
    wider = Odd(dictionary, input_site=Site(layer=1, kind=SiteKind.MLP_HIDDEN))
    says = rf"is for activations of width 32, but mlp_hidden\.1 of .* is {2 * 32} wide"
    with pytest.raises(DictionaryError, match=says) as caught:
        built(subject, wider, corpus_of(tmp_path / "c.jsonl"), tmp_path)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["c.jsonl"]


def test_a_dictionary_with_more_features_than_it_says(subject: Subject, dictionary: Dictionary, tmp_path: Path) -> None:
    fewer = Odd(dictionary, size=10)
    with pytest.raises(DictionaryError, match="says it has 10 features, but activates number"):
        built(subject, fewer, corpus_of(tmp_path / "c.jsonl"), tmp_path)  # type: ignore[arg-type]


def test_activations_that_are_far_too_large_or_small(subject: Subject, dictionary: Dictionary, tmp_path: Path) -> None:
    def encode(x: torch.Tensor) -> Sparse:
        acts = dictionary.encode(x)
        factors = torch.tensor([1e30, 1e-30, 1e6, 1e-6])[acts.features % 4]
        return Sparse(acts.rows, acts.features, acts.values * factors)

    index = built(subject, Odd(dictionary, encode=encode), corpus_of(tmp_path / "c.jsonl"), tmp_path)  # type: ignore[arg-type]
    assert index.meta.not_finite == 0
    for array in (index.total, index.maximum):
        assert np.isfinite(array).all()
    for feature in range(8):
        windows = index.train.windows(feature)
        assert np.isfinite(windows.values).all()
        assert (windows.values > 0).all()
        assert index.histogram[feature].sum() == index.active[feature]


def test_an_engine_that_is_none(subject: Subject, dictionary: Dictionary, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no engine 'spark': give local or ray"):
        build_index(subject, dictionary, corpus_of(tmp_path / "c.jsonl"), tmp_path / "i", key="k", engine="spark")
