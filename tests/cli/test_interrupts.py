"""Ctrl-C and worse, at several moments of a run."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from autointerp.cli import main
from autointerp.records import RunRecord
from autointerp.report import read_json
from tests.cli.running import DEAD, DRIVER, Call, in_a_process, options_of, timeless

Spoil = Callable[[Path], object]

MOMENTS = {
    "while the parser is imported": "import:typer",
    "while torch is imported": "import:torch",
    # transformers makes another exception of it.
    "while the model's code is imported": "import:transformers.models.llama.modeling_llama",
    "while indexing": "step:reading the corpus:1:0",
    "while scoring": "step:scoring on held-out text:0:0.05",
}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AUTOINTERP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def written(folder: Path) -> list[str]:
    """Files outside the cache."""
    return [path.name for path in folder.rglob("*") if path.is_file() and folder / "cache" not in path.parents]


@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c(
    moment: str, explain: Call, inputs: dict[str, object], tmp_path: Path, cache: Path, whole: RunRecord
) -> None:
    options = {**inputs, "out": tmp_path / "out", "json": tmp_path / "record.json"}
    result = in_a_process(DRIVER, "SIGINT", MOMENTS[moment], "explain", *options_of(options))
    assert result.code == 130
    assert result.line.startswith("autointerp: interrupted")
    assert result.out == ""
    assert written(tmp_path) == []
    if not cache.exists():
        assert "import" in moment
        return
    assert explain("--quiet", json=tmp_path / "record.json").code == 0
    assert timeless(read_json(tmp_path / "record.json")) == whole
    assert [path.suffix for path in (cache / "index").iterdir()] == [""]


def test_killed_while_indexing(
    explain: Call, inputs: dict[str, object], tmp_path: Path, cache: Path, whole: RunRecord
) -> None:
    options = {**inputs, "out": tmp_path / "out", "json": tmp_path / "record.json"}
    result = in_a_process(DRIVER, "SIGKILL", "step:reading the corpus:6000:0", "explain", *options_of(options))
    assert result.code == -signal.SIGKILL
    assert written(tmp_path) == []
    assert [path for path in cache.rglob("*") if path.is_file()], "nothing was left to stumble over"
    assert explain("--quiet", json=tmp_path / "record.json").code == 0
    assert timeless(read_json(tmp_path / "record.json")) == whole
    assert [path.suffix for path in (cache / "index").iterdir()] == [""]


def of_another_version(index: Path) -> None:
    meta = json.loads((index / "meta.json").read_text())
    (index / "meta.json").write_text(json.dumps({**meta, "version": meta["version"] + 1}))


def with_a_new_field(index: Path) -> None:
    meta = json.loads((index / "meta.json").read_text())
    (index / "meta.json").write_text(json.dumps({**meta, "compression": "zstd"}))


def largest(index: Path) -> Path:
    return max((path for path in index.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)


def altered(index: Path) -> None:
    path = largest(index)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut_off(index: Path) -> None:
    path = largest(index)
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    "spoil",
    [
        of_another_version,
        with_a_new_field,
        altered,
        cut_off,
        lambda index: (index / "meta.json").write_text('{"version": 1'),
        lambda index: (index / "meta.json").unlink(),
        lambda index: largest(index).unlink(),
    ],
)
def test_a_cache_that_is_not_whole_is_built_again(spoil: Spoil, explain: Call, cache: Path) -> None:
    assert explain("--quiet", feature=DEAD).code == 0
    (index,) = (cache / "index").iterdir()
    good = {path: path.read_bytes() for path in index.rglob("*") if path.is_file()}
    spoil(index)
    assert explain("--quiet", feature=DEAD).code == 0
    assert {path: path.read_bytes() for path in index.rglob("*") if path.is_file()} == good


def test_a_whole_cache_is_used(explain: Call, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert explain("--quiet", feature=DEAD).code == 0

    def never(*_: object, **__: object) -> None:
        raise AssertionError("the index was built again")

    monkeypatch.setattr("autointerp.activations._cache.build_index", never)
    assert explain("--quiet", feature=DEAD).code == 0


def interrupting(error: type[BaseException]) -> Callable[..., None]:
    """Something that is interrupted and makes another exception of it."""

    def run(*_: object, **__: object) -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise error("torn") from None

    return run


@pytest.mark.parametrize("error", [ImportError, RuntimeError, KeyboardInterrupt])
def test_an_interrupt_counts_whatever_a_library_makes_of_it(
    explain: Call, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    monkeypatch.setattr("autointerp.study.open_laboratory", interrupting(error))
    result = explain()
    assert result.code == 130
    assert result.line.startswith("autointerp: interrupted")


def test_an_interrupt_that_a_library_swallows_is_noticed_at_the_next_step(
    explain: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    went_on: list[str] = []

    def swallow(*_: object, progress: Callable[..., None], **__: object) -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            progress("going on", None, None)
        went_on.append("past the next step")

    monkeypatch.setattr("autointerp.study.open_laboratory", swallow)
    assert explain().code == 130
    assert went_on == []


def test_the_handler_of_the_caller_comes_back(call: Call) -> None:
    before = signal.getsignal(signal.SIGINT)
    call("--version")
    assert signal.getsignal(signal.SIGINT) is before


def test_it_runs_in_any_thread() -> None:
    codes: list[object] = []

    def run() -> None:
        try:
            main(["--version"])
        except SystemExit as end:
            codes.append(end.code)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert codes == [0]
