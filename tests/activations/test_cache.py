"""A cached index is used where it is whole, and built again wherever it is not."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autointerp.activations import Corpus, Index, IndexMeta, IndexSettings, cache_folder, open_corpus, open_index
from autointerp.activations import _sealed as sealed
from autointerp.activations._staging import staged
from autointerp.dictionaries import Dictionary, open_dictionary
from autointerp.errors import CacheError, CorpusError, OutputError
from autointerp.models import Subject
from autointerp.testing import tiny_corpus, tiny_dictionary

SETTINGS = IndexSettings(tokens=3000, context=32, train_cap=100, heldout_cap=50)


class Opener:
    """Opens one index, and knows whether it had to be built."""

    def __init__(self, subject: Subject, dictionary: Dictionary, corpus: Corpus, folder: Path) -> None:
        self.parts = (subject, dictionary, corpus)
        self.folder = folder

    def __call__(self, settings: IndexSettings = SETTINGS) -> tuple[Index, bool]:
        told: list[int] = []
        index = open_index(
            *self.parts, settings=settings, folder=self.folder, progress=lambda done, size: told.append(done)
        )
        return index, bool(told)


@pytest.fixture(scope="module")
def built(
    subject: Subject, dictionary: Dictionary, corpus: Corpus, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Index]:
    folder = tmp_path_factory.mktemp("built")
    index, new = Opener(subject, dictionary, corpus, folder)()
    assert new
    return folder, index


@pytest.fixture
def opener(
    subject: Subject, dictionary: Dictionary, corpus: Corpus, built: tuple[Path, Index], tmp_path: Path
) -> Opener:
    return Opener(subject, dictionary, corpus, Path(shutil.copytree(built[0], tmp_path / "cache")))


def place(opener: Opener) -> Path:
    (folder,) = (path for path in opener.folder.iterdir() if not path.name.endswith(".part"))
    return folder


def same(one: Index, other: Index) -> None:
    assert one.meta == other.meta
    for name in one.meta.files:
        assert (one.folder / name).read_bytes() == (other.folder / name).read_bytes()


def test_the_second_time_nothing_is_built(opener: Opener, built: tuple[Path, Index]) -> None:
    subject = opener.parts[0]
    before = subject.usage.forward_passes
    index, new = opener()
    assert not new
    assert subject.usage.forward_passes == before
    same(index, built[1])


def test_nothing_else_is_left_in_the_cache(opener: Opener, built: tuple[Path, Index]) -> None:
    assert [path.name for path in opener.folder.iterdir()] == [built[1].meta.key]


def cut(folder: Path) -> None:
    path = folder / "train" / "codes.npy"
    path.write_bytes(path.read_bytes()[:-100])


def flip(folder: Path) -> None:
    path = folder / "totals" / "active.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def edit(folder: Path, **fields: Any) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | fields))


def forget_files(folder: Path) -> None:
    edit(folder, files={})
    shutil.rmtree(folder / "test")


def resealed_version(folder: Path) -> None:
    meta = IndexMeta.model_validate_json((folder / "meta.json").read_bytes())
    (folder / "meta.json").write_text(meta.model_copy(update={"version": 99}).sealed().model_dump_json())


DAMAGE: dict[str, Callable[[Path], object]] = {
    "an array cut short": cut,
    "a bit flipped": flip,
    "an array missing": lambda folder: (folder / "refine" / "tokens.npy").unlink(),
    "names missing": lambda folder: (folder / "refine" / "document_names.npy").unlink(),
    "a split missing": lambda folder: shutil.rmtree(folder / "test"),
    "no checksums": lambda folder: (folder / "checks.npy").unlink(),
    "other checksums": lambda folder: np.save(folder / "checks.npy", np.load(folder / "checks.npy") + np.uint32(1)),
    "no manifest": lambda folder: (folder / "meta.json").unlink(),
    "half a manifest": lambda folder: (folder / "meta.json").write_text((folder / "meta.json").read_text()[:200]),
    "an empty manifest": lambda folder: (folder / "meta.json").write_text(""),
    "another number of tokens": lambda folder: edit(folder, tokens=5),
    "another seal": lambda folder: edit(folder, seal="0" * 16),
    "no seal": lambda folder: edit(folder, seal=""),
    "an unknown field": lambda folder: edit(folder, more=1),
    "no files listed": forget_files,
    "another version": lambda folder: edit(folder, version=99),
    "another version, properly sealed": resealed_version,
    "another key": lambda folder: edit(folder, key="0" * 16),
    "an empty folder": lambda folder: [shutil.rmtree(folder), folder.mkdir()],
    "nothing": shutil.rmtree,
    "a file in its place": lambda folder: [shutil.rmtree(folder), folder.write_text("x")],
}


@pytest.mark.parametrize("name", DAMAGE)
def test_what_is_not_whole_is_built_again(opener: Opener, built: tuple[Path, Index], name: str) -> None:
    DAMAGE[name](place(opener))
    index, new = opener()
    assert new
    same(index, built[1])
    assert not opener()[1]
    assert [path.name for path in opener.folder.iterdir()] == [built[1].meta.key]


def test_another_version_of_the_program_builds_its_own(opener: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autointerp.activations._build.VERSION", sealed.VERSION + 1)
    assert opener()[1]


def test_reading_says_what_is_wrong(opener: Opener, built: tuple[Path, Index]) -> None:
    key = built[1].meta.key
    with pytest.raises(CacheError, match="no whole index"):
        Index.read(opener.folder / "nothing", key)
    with pytest.raises(CacheError):
        Index.read(place(opener), "another key")
    cut(place(opener))
    with pytest.raises(CacheError, match=r"codes\.npy is not what was written"):
        Index.read(place(opener), key)


def test_a_large_index_is_checked_where_it_is_read(opener: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autointerp.activations._index._CHECKED_AT_ONCE", 1000)
    flip(place(opener))
    index, new = opener()
    assert not new
    with pytest.raises(CacheError, match=r"active\.npy is not what was written: build the index again"):
        print(index.active)


def test_everything_that_matters_is_in_the_key(
    opener: Opener, subject: Subject, dictionary: Dictionary, tmp_path: Path
) -> None:
    width = subject.width
    other_dictionary = open_dictionary(str(tiny_dictionary(tmp_path / "d", width=width, seed=1)), subject)
    other_corpus = open_corpus(str(tiny_corpus(tmp_path / "c", seed=1)))
    for i, part in ((1, other_dictionary), (2, other_corpus)):
        parts = list(opener.parts)
        parts[i] = part
        assert Opener(*parts, opener.folder)()[1]
    for field in IndexSettings.__slots__:
        settings = IndexSettings(
            **{name: getattr(SETTINGS, name) - (name == field) for name in IndexSettings.__slots__}
        )
        assert opener(settings)[1]
    assert not opener()[1]


def test_half_a_build_of_an_older_kind_is_not_gone_on_with(opener: Opener, built: tuple[Path, Index]) -> None:
    key = built[1].meta.key
    shutil.rmtree(place(opener))
    part = opener.folder / f"{key}.part"
    (part / "train").mkdir(parents=True)
    (part / "train" / "tokens.npy").write_bytes(b"half")
    (part / "shards" / "000000-000000").mkdir(parents=True)
    (part / "plan").mkdir()
    (part / "plan" / "meta.json").write_text("{}")
    index, new = opener()
    assert new
    assert not part.exists()
    same(index, built[1])


def test_what_nobody_went_on_with_is_swept(opener: Opener) -> None:
    shutil.rmtree(place(opener))
    parts = [opener.folder / f"{name}.part" for name in ("old", "held", "new")]
    for part in parts:
        part.mkdir()
    for part in parts[:2]:
        os.utime(part, (0, 0))
    code = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], 0), fcntl.LOCK_EX); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(parts[1])], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert opener()[1]
        assert [part.exists() for part in parts] == [False, True, True]
        other.kill()


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_build_that_is_broken_off_before_anything_is_finished_leaves_nothing(
    opener: Opener, built: tuple[Path, Index], error: type[BaseException]
) -> None:
    shutil.rmtree(place(opener))

    def stop(done: int, size: int) -> None:
        if done > size / 2:
            raise error

    with pytest.raises(error):
        open_index(*opener.parts, settings=SETTINGS, folder=opener.folder, progress=stop)
    assert list(opener.folder.iterdir()) == []
    index, new = opener()
    assert new
    same(index, built[1])


def test_whoever_comes_second_waits_and_says_so(
    opener: Opener, built: tuple[Path, Index], caplog: pytest.LogCaptureFixture
) -> None:
    shutil.rmtree(place(opener))
    found: list[Index] = []
    second = threading.Thread(target=lambda: found.append(opener()[0]))
    waiting = threading.Event()

    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            waiting.set()

    told = Told()
    logging.getLogger("autointerp").addHandler(told)
    try:
        with staged(opener.folder / built[1].meta.key) as staging:
            second.start()
            assert waiting.wait(20)
            shutil.rmtree(staging)
            shutil.copytree(built[1].folder, opener.folder / built[1].meta.key)
            inode = (opener.folder / built[1].meta.key).stat().st_ino
        second.join(20)
    finally:
        logging.getLogger("autointerp").removeHandler(told)
    assert "another process is building the index" in caplog.text
    same(found[0], built[1])
    # What the first has built was taken and not replaced.
    assert found[0].folder.stat().st_ino == inode
    assert [path.name for path in opener.folder.iterdir()] == [built[1].meta.key]


@pytest.mark.slow
def test_two_processes_at_once(
    opener: Opener, built: tuple[Path, Index], model_folder: Path, dictionary_folder: Path, corpus_file: Path
) -> None:
    shutil.rmtree(place(opener))
    code = f"""
from pathlib import Path
from autointerp.activations import IndexSettings, open_corpus, open_index
from autointerp.dictionaries import open_dictionary
from autointerp.models import Subject
subject = Subject.load({str(model_folder)!r})
dictionary = open_dictionary({str(dictionary_folder)!r}, subject)
corpus = open_corpus({str(corpus_file)!r})
print("ready", flush=True)
input()
index = open_index(subject, dictionary, corpus, settings={SETTINGS!r}, folder=Path({str(opener.folder)!r}))
print(index.meta.seal, int(index.active.sum()), index.train.passages)
"""
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", code],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                )
            )
            for _ in range(2)
        ]
        for worker in workers:
            stack.callback(worker.kill)
        assert [worker.stdout.readline() for worker in workers if worker.stdout] == ["ready\n"] * 2
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        expected = f"{built[1].meta.seal} {int(built[1].active.sum())} {built[1].train.passages}\n"
        assert [worker.communicate()[0] for worker in workers] == [expected] * 2
    assert [path.name for path in opener.folder.iterdir()] == [built[1].meta.key]
    assert not opener()[1]


@pytest.mark.parametrize("below", ["file", "file/below"])
def test_a_folder_that_cannot_be_written(opener: Opener, tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("x")
    opener.folder = tmp_path / below
    with pytest.raises(OutputError, match=r"the index cannot be written to .*set AUTOINTERP_CACHE") as caught:
        opener()
    assert "\n" not in str(caught.value)
    assert "Errno" not in str(caught.value)


def test_a_corpus_that_cannot_be_read_is_not_blamed_on_the_cache(
    subject: Subject, dictionary: Dictionary, tmp_path: Path
) -> None:
    path = tiny_corpus(tmp_path / "corpus")
    corpus = open_corpus(str(path))
    path.unlink()
    with pytest.raises(CorpusError, match="cannot be read"):
        open_index(subject, dictionary, corpus, folder=tmp_path / "cache")


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AUTOINTERP_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.setenv("AUTOINTERP_CACHE", "~/x")
    assert cache_folder() == Path.home() / "x"
    monkeypatch.delenv("AUTOINTERP_CACHE")
    assert cache_folder().name == "autointerp"


def test_without_a_folder_the_cache_is_used(
    subject: Subject, dictionary: Dictionary, corpus: Corpus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AUTOINTERP_CACHE", str(tmp_path))
    index = open_index(subject, dictionary, corpus, settings=SETTINGS)
    assert index.folder == tmp_path / "index" / index.meta.key
