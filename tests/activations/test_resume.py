"""A build that is broken off goes on where it was, and ends in the same bits."""

from __future__ import annotations

import dataclasses
import errno
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autointerp.activations import Corpus, Index, build_index
from autointerp.activations import _build as build_module
from autointerp.activations import _parts as parts_module
from autointerp.dictionaries import Dictionary
from autointerp.errors import OutputError
from autointerp.models import Subject
from tests.activations.killed import GROUP, SETTINGS

SCRIPT = Path(__file__).with_name("killed.py")
MOMENTS = ("step:1", "step:3", "step:10", "write:1", "write:8", "join:1", "join:3", "remove:2", "remove:12", "end")


@pytest.fixture(autouse=True, scope="module")
def _small_groups() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts_module, "_GROUP", GROUP)
        yield


class Built:
    """Builds in one folder, and knows how many tokens it had to run."""

    def __init__(self, subject: Subject, dictionary: Dictionary, corpus: Corpus) -> None:
        self.parts = (subject, dictionary, corpus)

    def __call__(self, folder: Path, stop: float = 2.0) -> tuple[Index, int]:
        told: list[int] = []

        def progress(done: int, size: int) -> None:
            told.append(done)
            if done > stop * size:
                raise KeyboardInterrupt

        subject = self.parts[0]
        before = subject.usage.forward_passes
        index = build_index(*self.parts, folder, key="k", settings=SETTINGS, progress=progress)
        assert not told or told[-1] == index.meta.tokens
        assert told == sorted(set(told))
        return index, subject.usage.forward_passes - before


@pytest.fixture(scope="module")
def build(subject: Subject, dictionary: Dictionary, corpus: Corpus) -> Built:
    return Built(subject, dictionary, corpus)


@pytest.fixture(scope="module")
def whole(build: Built, tmp_path_factory: pytest.TempPathFactory) -> tuple[Index, int]:
    """What a build that nothing disturbed gives, and the forward passes it took."""
    return build(tmp_path_factory.mktemp("whole") / "i")


@pytest.fixture(scope="module")
def killed(
    model_folder: Path, dictionary_folder: Path, corpus_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """What builds left that were killed, each moment in a folder of its own."""
    folder = tmp_path_factory.mktemp("killed")
    done = subprocess.run(
        [sys.executable, SCRIPT, model_folder, dictionary_folder, corpus_file, folder, *MOMENTS],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert done.stdout == "".join(f"{moment} 9\n" for moment in MOMENTS), done.stderr
    return folder


def same(one: Index, other: Index) -> None:
    assert one.meta == other.meta
    for name in one.meta.files:
        assert (one.folder / name).read_bytes() == (other.folder / name).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_build_goes_on_and_ends_the_same(
    build: Built, whole: tuple[Index, int], killed: Path, moment: str
) -> None:
    folder = killed / moment / "i"
    assert folder.with_name("i.part").exists()
    assert folder.exists() == (moment == "end")
    index, passes = build(folder)
    same(index, whole[0])
    # Every shard is a batch. What was finished is not run again, and everything else once; of what was written, every fifth
    # part is four of the others put together.
    finished = {"write:1": 0, "write:8": 6, "join:1": 4, "join:3": 12, "remove:2": 4, "remove:12": 12, "end": 12}
    assert whole[1] == 12
    assert passes == 12 - (int(moment[5:]) - 1 if moment.startswith("step") else finished[moment])
    assert [path.name for path in folder.parent.iterdir()] == ["i"]


def test_an_interrupt_keeps_what_is_finished(build: Built, whole: tuple[Index, int], tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "i", stop=0.5)
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "i", stop=0.7)
    index, passes = build(tmp_path / "i")
    assert 0 < passes <= 6
    same(index, whole[0])


def test_a_damaged_shard_is_recorded_again(build: Built, whole: tuple[Index, int], tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "i", stop=0.2)
    for number, path in enumerate(sorted((tmp_path / "i.part" / "shards").iterdir())):
        if number % 2:
            file = max(path.rglob("*.*"), key=lambda p: p.stat().st_size)
            content = bytearray(file.read_bytes())
            content[-1] ^= 1
            file.write_bytes(content)
    index, _ = build(tmp_path / "i")
    same(index, whole[0])


def test_a_damaged_plan_is_made_again(build: Built, whole: tuple[Index, int], tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "i", stop=0.2)
    path = tmp_path / "i.part" / "plan" / "ids.npy"
    path.write_bytes(path.read_bytes()[:-4])
    same(build(tmp_path / "i")[0], whole[0])


def test_what_was_begun_with_other_settings_is_not_gone_on_with(
    build: Built, whole: tuple[Index, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "i", stop=0.5)
    monkeypatch.setattr(build_module, "VERSION", 99)
    index, passes = build(tmp_path / "i")
    assert passes == whole[1]
    same(index, whole[0])


class Disk:
    """A disk that takes so many bytes, and then says that it is full."""

    def __init__(self, room: int) -> None:
        self.room = room
        self._open = Path.open

    def opener(self) -> Callable[..., Any]:
        """What stands in for `Path.open`."""

        def instead(path: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            return self._limited(self._open(path, mode, *args, **kwargs), mode)

        return instead

    def _limited(self, stream: Any, mode: str) -> Any:
        if set(mode) & set("wa"):
            write = stream.write

            class Limited:
                def __enter__(limited) -> Any:  # noqa: N805
                    return limited

                def __exit__(limited, *error: Any) -> None:  # noqa: N805
                    stream.close()

                def __getattr__(limited, name: str) -> Any:  # noqa: N805
                    return getattr(stream, name)

                def write(limited, content: Any) -> Any:  # noqa: N805
                    self.room -= memoryview(content).nbytes if not isinstance(content, str) else len(content)
                    if self.room < 0:
                        raise OSError(errno.ENOSPC, "No space left on device")
                    return write(content)

            return Limited()
        return stream


@pytest.mark.parametrize("room", [0, 15_000, 50_000, 150_000, 300_000, 500_000])
def test_a_disk_that_is_full(
    build: Built, whole: tuple[Index, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    disk = Disk(room)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", disk.opener())
        with pytest.raises(OutputError, match=r"cannot be written to .*: No space left on device; make room") as caught:
            build(tmp_path / "i")
    assert "\n" not in str(caught.value)
    assert disk.room < 0
    assert not (tmp_path / "i").exists()
    half = [path for path in tmp_path.rglob("*") if "half" in path.name]
    assert half == []
    index, passes = build(tmp_path / "i")
    same(index, whole[0])
    assert (passes < whole[1]) == (room >= 150_000)


def test_a_real_limit_on_the_size_of_files(build: Built, whole: tuple[Index, int], tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, hard))
    try:
        with pytest.raises(OutputError, match="File too large"):
            build(tmp_path / "i")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    same(build(tmp_path / "i")[0], whole[0])


def test_shards_change_rounding_and_nothing_else(
    build: Built, whole: tuple[Index, int], subject: Subject, dictionary: Dictionary, corpus: Corpus, tmp_path: Path
) -> None:
    settings = dataclasses.replace(SETTINGS, shard=10**6)
    other = build_index(subject, dictionary, corpus, tmp_path / "i", key="k", settings=settings)
    for name in ("tokens", "lengths", "documents", "lines", "ranks", "document_names"):
        for split in ("train", "refine", "test"):
            np.testing.assert_array_equal(
                other.stored[f"{split}/{name}"].read(), whole[0].stored[f"{split}/{name}"].read()
            )
    np.testing.assert_array_equal(other.active, whole[0].active)
    np.testing.assert_allclose(other.total, whole[0].total, rtol=1e-5)
    for feature in range(64):
        one, two = other.train.windows(feature), whole[0].train.windows(feature)
        assert one.passages == two.passages
        np.testing.assert_allclose(one.dense(32), two.dense(32), rtol=1e-3)
