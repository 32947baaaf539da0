"""`autointerp index` on the tiny model."""

from __future__ import annotations

import json
from functools import partialmethod
from pathlib import Path

import pytest

from autointerp.activations import Index, IndexSettings
from autointerp.testing import tiny_corpus, tiny_dictionary
from tests.cli.running import DRIVER, Call, Result, in_a_process, options_of


@pytest.fixture(scope="session")
def parts(model_folder: Path, dictionary_folder: Path) -> dict[str, object]:
    return {"model": model_folder, "dictionary": dictionary_folder, "tokens": 3000}


@pytest.fixture
def build(call: Call, parts: dict[str, object], corpus_file: Path, tmp_path: Path) -> Call:
    def run(name: str = "i", *flags: str, **options: object) -> Result:
        given = {**parts, "corpus": corpus_file, "out": tmp_path / name, **options}
        return call("index", "build", *flags, *options_of(given))

    return run


def test_build_says_where_it_is_and_is_quick_the_second_time(build: Call, tmp_path: Path) -> None:
    first = build()
    assert (first.code, first.err) == (0, "")
    assert first.out.endswith(f"index: {tmp_path / 'i'}\n")
    assert "features: 64, 63 live and 1 dead" in first.out
    made = (tmp_path / "i" / "meta.json").stat().st_mtime_ns
    assert build("i", "--quiet").out == f"index: {tmp_path / 'i'}\n"
    assert (tmp_path / "i" / "meta.json").stat().st_mtime_ns == made


def test_without_out_it_is_in_the_cache_and_show_finds_it(
    call: Call, parts: dict[str, object], corpus_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOINTERP_CACHE", str(tmp_path))
    assert "no index in" in call("index", "show").line
    built = call("index", "build", "--quiet", *options_of({**parts, "corpus": corpus_file}))
    shown = json.loads(call("index", "show", "--json").out)
    assert built.out == f"index: {shown['folder']}\n"
    assert Path(shown["folder"]).parent == tmp_path / "index"


def test_show_sums_up_an_index(build: Call, call: Call, tmp_path: Path) -> None:
    build()
    index = Index.open(tmp_path / "i")
    found = json.loads(call("index", "show", "--index", tmp_path / "i", "--json").out)
    assert (found["tokens"], found["features"], found["live"], found["dead"]) == (index.meta.tokens, 64, 63, 1)
    assert found["passages"]["train"] == index.train.passages
    assert list(found["density"].values()) == sorted(found["density"].values())
    assert found["density"]["1.0"] == pytest.approx(index.active.max() / index.meta.tokens)
    text = call("index", "show", "--index", tmp_path / "i").out
    assert f"{index.meta.tokens} tokens" in text
    assert "not finite" not in text


def test_show_tells_all_about_one_feature(build: Call, call: Call, tmp_path: Path) -> None:
    build()
    view = Index.open(tmp_path / "i").feature(7)
    found = json.loads(call("index", "show", "7", "--index", tmp_path / "i", "--json").out)
    assert found["stats"] == view.stats.model_dump(mode="json")
    assert [e["quantile"] for e in found["examples"]] == [e.quantile for e in view.examples]
    text = call("index", "show", "7", "--index", tmp_path / "i").out
    assert f"active at {view.stats.active} of {view.stats.tokens} tokens" in text
    assert f"nearest: {view.stats.neighbours[0].index} " in text
    top = view.examples[0]
    assert f"  {top.document}:{top.line}  " in text
    assert f"‹{top.tokens[top.activations.index(max(top.activations))]}›".replace("\n", "⏎") in text
    assert [line for line in text.splitlines() if line.endswith(":")] == [
        f"{name}:" for name in dict.fromkeys(e.quantile for e in view.examples)
    ]


def test_parts_merge_to_the_whole(build: Call, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "autointerp.activations.IndexSettings.__init__", partialmethod(IndexSettings.__init__, shard=300)
    )
    for number in (1, 2, 3):
        assert build(f"i{number}", part=f"{number}/3").code == 0
    assert build("whole").code == 0
    assert "no part 90 of 90" in build("i90", part="90/90").line
    done = call("index", "merge", tmp_path / "i1", tmp_path / "i2", tmp_path / "i3", "--out", tmp_path / "flat")
    assert (done.code, done.err) == (0, "")
    assert call("index", "merge", tmp_path / "i3", tmp_path / "i2", "--out", tmp_path / "half").code == 0
    assert call("index", "merge", tmp_path / "half", tmp_path / "i1", "--out", tmp_path / "tree").code == 0
    whole, flat, tree = (Index.open(tmp_path / name) for name in ("whole", "flat", "tree"))
    assert flat.meta == tree.meta
    assert (flat.meta.corpus, flat.meta.tokens) == (whole.meta.corpus, whole.meta.tokens)
    for file in whole.meta.files:
        for other in (flat, tree):
            assert (whole.folder / file).read_bytes() == (other.folder / file).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["flat", "half", "i1", "i2", "i3", "tree", "whole"]


def test_merge_refuses_texts_that_two_corpora_share(build: Call, call: Call, tmp_path: Path) -> None:
    for number in (1, 2):
        corpus = tiny_corpus(tmp_path / f"c{number}", seed=number)
        with corpus.open("a") as stream:
            for other in range(9):
                stream.write(json.dumps({"text": f"# {600 * str(number)}\nlicence number {other}\n"}) + "\n")
        assert build(f"i{number}", corpus=corpus, tokens=30_000).code == 0
    result = call("index", "merge", tmp_path / "i1", tmp_path / "i2", "--out", tmp_path / "out")
    assert "share texts, which could stand in two splits: index the corpora as one" in result.line
    assert [path.name for path in tmp_path.glob("out*")] == []


def test_merge_refuses_another_dictionary(build: Call, call: Call, tmp_path: Path) -> None:
    build("one")
    build(
        "two", dictionary=tiny_dictionary(tmp_path / "d", width=32, seed=5), corpus=tiny_corpus(tmp_path / "c", seed=9)
    )
    result = call("index", "merge", tmp_path / "one", tmp_path / "two", "--out", tmp_path / "out")
    assert result.code == 1
    assert "has dictionary " in result.line
    assert [path.name for path in tmp_path.glob("out*")] == []


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["show", "--index", "{tmp}/nothing"], 1, "holds no whole index"),
        (["show", "64", "--index", "{tmp}/i"], 1, "no feature 64: give a number from 0 to 63"),
        (["show", "x"], 2, "should be a valid integer"),
        (["merge", "{tmp}/i", "{tmp}/nothing", "--out", "{tmp}/o"], 1, "holds no whole index"),
        (["merge", "{tmp}/i", "{tmp}/i", "--out", "{tmp}/i"], 1, "exists already: give another folder"),
        (["merge", "{tmp}/i", "{tmp}/i", "--out", "{tmp}/o"], 1, "share passages"),
        (["merge", "{tmp}/i"], 2, "Missing option '--out'"),
        (["build", "--engine", "spark"], 1, "no engine 'spark'"),
        (["build", "--corpus", "{tmp}/nothing"], 1, "no corpus at"),
        (["build", "--part", "3/2"], 2, "'3/2' is no part: write 2/5 for the second of five"),
        (["build", "--tokens", "0"], 2, "greater than or equal to 1"),
        (["nothing"], 2, "No such command 'nothing'"),
    ],
)
def test_one_line_says_what_is_wrong(
    build: Call, call: Call, tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    build()
    result = call("index", *(argument.format(tmp=tmp_path) for argument in arguments))
    assert result.code == code
    assert says in result.line


@pytest.mark.slow
def test_an_interrupted_build_goes_on(
    build: Call, parts: dict[str, object], model_folder: Path, corpus_file: Path, tmp_path: Path
) -> None:
    options = options_of({**parts, "corpus": corpus_file, "out": tmp_path / "i"})
    arguments = ("index", "build", "--quiet", *options)
    result = in_a_process(DRIVER, "SIGINT", "step:reading the corpus on cpu:1:0", *arguments)
    assert result.code == 130
    assert "the same command goes on from there" in result.line
    assert not (tmp_path / "i").exists()
    assert build().code == 0
