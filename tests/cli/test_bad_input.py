"""What cannot be used: one line that says what would be, and the exit code."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from autointerp.testing import tiny_corpus, tiny_dictionary
from tests.cli.running import DEAD, Call

Spoil = Callable[[Path], object]


def cut(path: Path, share: float = 0.5) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


@pytest.mark.parametrize("feature", [64, 1234, -1])
def test_a_feature_out_of_range(explain: Call, feature: int, tmp_path: Path) -> None:
    result = explain(feature=feature)
    assert result.code == 1
    assert f"no feature {feature}: give a number from 0 to 63" in result.line
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (shutil.rmtree, "no model at"),
        (lambda folder: (folder / "config.json").unlink(), "no model at"),
        (lambda folder: (folder / "model.safetensors").unlink(), "safetensors"),
        (lambda folder: cut(folder / "model.safetensors"), "again"),
        (lambda folder: cut(folder / "model.safetensors", 0), "again"),
        (lambda folder: cut(folder / "config.json"), "again"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer"),
        (lambda folder: cut(folder / "tokenizer.json"), "tokenizer"),
    ],
)
def test_no_model(explain: Call, model_folder: Path, tmp_path: Path, spoil: Spoil, words: str) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(model_folder, folder)
    spoil(folder)
    result = explain(model=folder)
    assert result.code == 1
    assert words in result.line
    assert str(folder) in result.line
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (shutil.rmtree, "no dictionary at"),
        (lambda folder: [path.unlink() for path in folder.iterdir()], "in none of the formats"),
        (lambda folder: (folder / "cfg.json").unlink(), "cfg.json is missing"),
        (lambda folder: (folder / "sae_weights.safetensors").unlink(), "sae_weights.safetensors is missing"),
        (lambda folder: cut(folder / "sae_weights.safetensors"), "cut off"),
        (lambda folder: cut(folder / "sae_weights.safetensors", 0), "cut off"),
        (lambda folder: cut(folder / "cfg.json"), "no JSON"),
        (lambda folder: tiny_dictionary(folder, width=16), "width 16"),
        (lambda folder: tiny_dictionary(folder, width=32, layer=7), "layers 0 to 2"),
    ],
)
def test_no_dictionary(explain: Call, dictionary_folder: Path, tmp_path: Path, spoil: Spoil, words: str) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(dictionary_folder, folder)
    spoil(folder)
    result = explain(dictionary=f"file:{folder}")
    assert result.code == 1
    assert words in result.line
    assert str(folder) in result.line


def write(text: str) -> Spoil:
    return lambda path: path.write_text(text)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "no corpus at"),
        (write(""), "give more"),
        (write(json.dumps({"text": "x = 1\n"}) + "\n"), "give more documents"),
        (write('{"text": "x = 1\\n"}\n{"txt": 1}\n'), ":2 "),
        (write('{"text": "x'), ":1 "),
        (write('{"text": 5}\n'), ":1 "),
        (lambda path: path.write_bytes(b'{"text": "\xff"}\n'), "texts.jsonl"),
    ],
)
def test_no_corpus(explain: Call, tmp_path: Path, make: Spoil, words: str) -> None:
    path = tmp_path / "texts.jsonl"
    make(path)
    result = explain(corpus=path)
    assert result.code == 1
    assert words in result.line


def test_a_folder_without_texts(explain: Call, tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "picture.png").write_bytes(b"\x89PNG")
    result = explain(corpus=tmp_path / "texts")
    assert result.code == 1
    assert result.line


@pytest.mark.parametrize("place", ["file/out", "file"])
def test_an_out_folder_with_a_file_in_the_way(explain: Call, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("mine")
    result = explain(out=tmp_path / place)
    assert result.code == 1
    assert "cannot write" in result.line
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_where_the_page_would_be(explain: Call, tmp_path: Path) -> None:
    (tmp_path / "out" / "feature-40.html").mkdir(parents=True)
    result = explain()
    assert result.code == 1
    assert "it is a folder" in result.line


@pytest.mark.parametrize("place", ["file/record.json", "folder"])
def test_a_json_that_cannot_be_written(explain: Call, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    result = explain(json=tmp_path / place)
    assert result.code == 1
    assert "cannot write" in result.line
    # Seen before the work, so that none of it is lost.
    assert not list((tmp_path / "out").glob("*"))


def test_a_cache_that_cannot_be_written(explain: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv("AUTOINTERP_CACHE", str(tmp_path / "file"))
    result = explain()
    assert result.code == 1
    assert "AUTOINTERP_CACHE" in result.line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--nonsense"], "--nonsense"),
        (["explian"], "explian"),
        (["explain", "--nonsense"], "--nonsense"),
        (["explain", "--feature", "many"], "--feature"),
        (["explain", "--feature"], "--feature"),
        (["explain", "--tokens", "10"], "10000"),
        (["explain", "surplus"], "surplus"),
    ],
)
def test_usage(call: Call, arguments: list[str], words: str) -> None:
    result = call(*arguments)
    assert result.code == 2
    assert words in result.line
    assert "--help" in result.line


def test_a_defect_keeps_its_traceback(explain: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr("autointerp.study.study_feature", broken)
    with pytest.raises(ZeroDivisionError):
        explain()


def test_a_small_corpus_of_many_documents_is_enough(explain: Call, tmp_path: Path) -> None:
    # The limit is text for every split, not an amount.
    corpus = tiny_corpus(tmp_path / "made", documents=25)
    assert explain("--quiet", corpus=corpus, feature=DEAD).code == 0
