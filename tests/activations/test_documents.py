"""Where a document falls is decided by its name alone, and stays so."""

from __future__ import annotations

import hashlib
import json
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from autointerp.activations import (
    Corpus,
    Document,
    Passage,
    Split,
    bucket,
    is_unseen,
    open_corpus,
    split_of,
    stdlib_documents,
)
from autointerp.activations import passages as sample
from autointerp.activations._passages import _cut
from autointerp.errors import CorpusError

#: Written down once: a change of any of these would move files that models were trained on into the test split.
KNOWN = {
    "": (0.8894159948913374, "train"),
    "argparse.py": (0.7861274150892384, "train"),
    "json/decoder.py": (0.23117427244379962, "refine"),
    "asyncio/base_events.py": (0.958816875227239, "train"),
    "email/é.py": (0.2247035860796061, "refine"),
    "module_5.py": (0.03563126805021316, "test"),
    "module_1.py": (0.19094839041263803, "test"),
}


def writes(folder: Path, texts: dict[str, str]) -> Path:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())
    return folder


def jsonl(path: Path, *texts: str) -> Corpus:
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return open_corpus(str(path))


def of(*documents: tuple[str, str]) -> Corpus:
    return Corpus("made up", "0", lambda: iter([Document(*document) for document in documents]))


def passages(
    corpus: Corpus, encode: Callable[[str], list[int]], *, length: int, budget: int
) -> tuple[list[Passage], str]:
    """A sample, and a hash of what it was made from."""
    with tempfile.TemporaryDirectory() as scratch:
        found = list(sample(corpus, encode, length=length, budget=budget, scratch=Path(scratch)))
    return found, hashlib.sha256(repr(found).encode()).hexdigest()


def characters(text: str) -> list[int]:
    return [ord(sign) for sign in text]


@pytest.mark.parametrize("name", KNOWN)
def test_splits_are_where_they_always_were(name: str) -> None:
    value, split = KNOWN[name]
    assert bucket(name) == pytest.approx(value, abs=1e-15)
    assert split_of(name) is Split(split)
    assert is_unseen(name) is (value < 0.1)


@given(st.text())
@example("\udc80")
def test_a_bucket_is_a_number_that_depends_on_the_name_alone(name: str) -> None:
    value = bucket(name)
    assert 0 <= value < 1
    assert bucket(name) == value
    assert split_of(name) is (Split.TEST if value < 0.2 else Split.REFINE if value < 0.4 else Split.TRAIN)
    assert not is_unseen(name) or split_of(name) is Split.TEST


def test_buckets_are_uniform() -> None:
    values = sorted(bucket(f"package/module_{i}.py") for i in range(5000))
    # Kolmogorov and Smirnov's distance: 1.95 / sqrt(n) is passed once in a thousand samples.
    distance = max(abs(value - (i + 0.5) / 5000) for i, value in enumerate(values))
    assert distance < 1.95 / 5000**0.5
    shares = {split: sum(split_of(f"m{i}") is split for i in range(5000)) / 5000 for split in Split}
    assert shares == pytest.approx({Split.TRAIN: 0.6, Split.REFINE: 0.2, Split.TEST: 0.2}, abs=0.03)


@given(st.text(alphabet=st.sampled_from("ab\n\r\x0b\x0c\x1c\u2028 "), max_size=80), st.integers(1, 20))
def test_pieces_of_a_text_joined_are_the_text(text: str, size: int) -> None:
    pieces = list(_cut(text, size))
    assert "".join(piece for _, piece in pieces) == text
    place = 0
    for line, piece in pieces:
        assert line == 1 + text[:place].count("\n")
        place += len(piece)
        assert piece
    for _, piece in pieces[:-1]:
        assert len(piece) >= size
        assert piece.endswith("\n")
        assert all(len(piece[: i + 1]) < size for i, sign in enumerate(piece[:-1]) if sign == "\n")


def test_passages_know_where_they_are_from() -> None:
    text = "".join(f"line {i}\n" for i in range(1, 30))
    found, _ = passages(of(("a", text)), characters, length=10, budget=10**6)
    lines = text.splitlines()
    assert len(found) > 3
    for passage in found:
        start = "".join(map(chr, passage.ids))
        assert len(passage.ids) <= 10
        assert start == "\n".join([*lines[passage.line - 1 :], ""])[: len(start)]


def test_passages_do_not_depend_on_the_order_of_documents() -> None:
    documents = [(f"d{i}", f"text {i}\nmore {i % 3}\n" * 5) for i in range(40)]
    expected = passages(of(*documents), characters, length=8, budget=500)
    for seed in range(3):
        random.Random(seed).shuffle(documents)
        assert passages(of(*documents), characters, length=8, budget=500) == expected


def test_a_small_sample_is_the_beginning_of_a_larger_one() -> None:
    corpus = of(*((f"d{i}", f"text {i}\n" * 9) for i in range(40)))
    small, large = (passages(corpus, characters, length=8, budget=budget)[0] for budget in (100, 1000))
    assert small == large[: len(small)]
    assert 100 <= sum(len(p.ids) for p in small) < 100 + 8
    assert len({p.document for p in small}) > 8


def test_the_hash_follows_the_text() -> None:
    marks = {
        passages(of(("a", text), ("b", "same\n")), characters, length=8, budget=100)[1]
        for text in ("x\n", "y\n", "x \n")
    }
    assert len(marks) == 3


def test_the_same_words_are_taken_once() -> None:
    twice = "the same words\n"
    corpus = of(*((f"d{i}", twice) for i in range(20)), ("e", "\n\n" + twice), ("f", "  \n \n"), ("g", ""))
    found, _ = passages(corpus, characters, length=100, budget=10**6)
    assert len(found) == 1


def test_texts_that_differ_behind_the_cut_alone_are_the_same_passage() -> None:
    # Ten characters are read of each, but forty go into a passage: the rest is never seen by the model.
    corpus = of(*((f"d{i}", f"licence text {i}\n") for i in range(20)))
    found, _ = passages(corpus, characters, length=10, budget=10**6)
    assert [p.ids for p in found] == [tuple(map(ord, "licence te"))]


def test_a_file_of_lines_names_documents_by_content(tmp_path: Path) -> None:
    one = list(jsonl(tmp_path / "one.jsonl", "a", "b").documents())
    other = list(jsonl(tmp_path / "other.jsonl", "c", "b", "a").documents())
    assert [document.text for document in one] == ["a", "b"]
    assert one == other[:0:-1]


def test_empty_lines_are_no_documents(tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_text('{"text": "a"}\n\n  \n{"text": "b", "more": 1}')
    assert [document.text for document in open_corpus(str(tmp_path / "c.jsonl")).documents()] == ["a", "b"]


@pytest.mark.parametrize("line", ["{", "[]", '"text"', '{"txt": "a"}', '{"text": 5}', '{"text": null}', "5", "\xff"])
def test_a_line_that_is_no_text_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "c.jsonl"
    path.write_bytes(b'{"text": "a"}\n' + line.encode("latin-1") + b"\n")
    with pytest.raises(CorpusError, match=r"c\.jsonl:2 ") as caught:
        list(open_corpus(str(path)).documents())
    assert "\n" not in str(caught.value)


def test_a_folder_of_texts(tmp_path: Path) -> None:
    texts = {"b.txt": "b\r\nb\n", "a/x.py": "x = 1\n", "a/y.md": "é", "c.bin": "no", "empty.txt": ""}
    found = list(open_corpus(str(writes(tmp_path, texts))).documents())
    assert found == [Document("a/x.py", "x = 1\n"), Document("a/y.md", "é"), Document("b.txt", "b\nb\n")]


def test_a_file_that_vanishes_is_an_error_of_the_corpus(tmp_path: Path) -> None:
    for name in ("folder/a.txt", "c.jsonl"):
        path = writes(tmp_path, {name: '{"text": "a"}'}) / name
        corpus = open_corpus(str(path if path.suffix == ".jsonl" else path.parent))
        path.unlink()
        with pytest.raises(CorpusError, match="cannot be read: No such file"):
            list(corpus.documents())


def test_the_mark_of_a_corpus_changes_with_its_files(tmp_path: Path) -> None:
    writes(tmp_path, {"a.txt": "a", "b.txt": "b"})
    marks = [open_corpus(str(tmp_path)).fingerprint]
    assert open_corpus(str(tmp_path)).fingerprint == marks[0]
    for name, text in (("a.txt", "aa"), ("c.txt", "c")):
        writes(tmp_path, {name: text})
        marks.append(open_corpus(str(tmp_path)).fingerprint)
    assert len(set(marks)) == 3


@pytest.mark.parametrize("name", ["nothing", "file.bin"])
def test_what_is_no_corpus_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.bin").write_text("text")
    with pytest.raises(CorpusError, match=r"no corpus at .*: give 'stdlib', a \.jsonl file"):
        open_corpus(str(tmp_path / name))


def test_the_standard_library_without_what_others_installed(tmp_path: Path) -> None:
    texts = {
        "ast.py": "a = 1\n",
        "json/__init__.py": "b = 1\r\n",
        "json/copy.py": "a = 1\n",
        "empty.py": "",
        "site-packages/numpy/x.py": "c = 1\n",
        "dist-packages/y.py": "d = 1\n",
        "json/__pycache__/z.py": "e = 1\n",
        "pydoc_data/topics.py": "f = 1\n",
        "notes.txt": "g",
    }
    writes(tmp_path, texts)
    (tmp_path / "latin.py").write_bytes(b"# \xe9\n")
    (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere")
    assert list(stdlib_documents(tmp_path)) == [Document("ast.py", "a = 1\n"), Document("json/__init__.py", "b = 1\n")]


def test_installing_a_package_does_not_change_the_standard_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes(tmp_path, {"ast.py": "a = 1\n"})
    monkeypatch.setattr("autointerp.activations._corpus.stdlib_root", lambda: tmp_path)
    before = open_corpus("stdlib").fingerprint
    writes(tmp_path, {"site-packages/new.py": "b = 1\n"})
    assert open_corpus("stdlib").fingerprint == before
    writes(tmp_path, {"new.py": "b = 1\n"})
    assert open_corpus("stdlib").fingerprint != before


def test_the_standard_library_of_this_python() -> None:
    documents = list(stdlib_documents())
    names = [document.id for document in documents]
    assert {"argparse.py", "json/decoder.py", "tokenize.py"} <= set(names)
    assert names == sorted(names, key=lambda name: Path(name).parts)
    assert len(names) == len(set(names)) == len({document.text for document in documents})
    assert not [name for name in names if "site-packages" in name or name.startswith("/") or "\\" in name]
    assert {split_of(name) for name in names} == set(Split)
