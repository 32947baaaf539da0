"""`autointerp label` on the tiny model: from a kill to the table, and what it says to bad input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from autointerp.cli._main import main
from autointerp.labelling import LabelStore
from tests.agents import brain
from tests.llm.formats import Said
from tests.llm.wire import Wire


def exit_code(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["label", *arguments])
    return int(end.value.code or 0)


@pytest.fixture
def tiny(model_folder: Path, dictionary_folder: Path, corpus_file: Path, tmp_path: Path) -> list[str]:
    flags = {
        "model": model_folder,
        "dictionary": f"file:{dictionary_folder}",
        "corpus": corpus_file,
        "out": tmp_path / "out",
    }
    return [text for name, value in flags.items() for text in (f"--{name}", str(value))]


@pytest.mark.slow
def test_killed_and_given_again_it_finishes(
    tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, "-m", "autointerp", "label", *tiny, "--features", "0:6", "--workers", "1", "--quiet"]
    path = tmp_path / "out" / "labels.sqlite"
    with subprocess.Popen(command, start_new_session=True) as process:
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline and process.poll() is None:
            if path.is_file():
                try:
                    with LabelStore(path.parent) as store:
                        if len(store):
                            break
                except Exception:  # noqa: BLE001, S110 (it is only just being made)
                    pass
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    with LabelStore(path.parent) as store:
        before = [label.model_dump() for label in store.labels()]
    assert before
    files = ["--export", str(tmp_path / "labels.jsonl"), "--neuronpedia", str(tmp_path / "np.jsonl")]
    assert exit_code(*tiny, "--features", "0:6", "--workers", "1", *files) == 0
    told = capsys.readouterr().out
    assert "features:  6" in told
    assert "table: " in told
    with LabelStore(path.parent) as store:
        after = [label.model_dump() for label in store.labels()]
    assert after[: len(before)] == before or [row for row in after if row in before] == before
    assert [row["feature"] for row in after] == list(range(6))
    assert all((tmp_path / "out" / "pages" / f"feature-{row['feature']}.html").is_file() for row in after)
    assert len((tmp_path / "labels.jsonl").read_text().splitlines()) == 6
    assert all(json.loads(line)["index"] for line in (tmp_path / "np.jsonl").read_text().splitlines())


@pytest.mark.parametrize("more", [[], ["--batch", "--concurrency", "3", "--effects"]])
def test_a_language_model_over_the_wire(tiny: list[str], tmp_path: Path, more: list[str]) -> None:
    def answered(body: dict[str, Any]) -> Said:
        told, question = (str(message["content"]) for message in body["messages"][:2])
        return Said(brain.answer(told, question))

    with Wire(answered) as server:
        asked = ["--llm", f"openai:m@{server.openai}", "--stages", "oneshot", "--features", "0:3", "--workers", "1"]
        assert exit_code(*tiny, *asked, *more, "--no-pages", "--quiet") == 0
        calls = server.tally.requests
        assert exit_code(*tiny, *asked, *more, "--no-pages", "--quiet") == 0
        assert server.tally.requests == calls
    with LabelStore(tmp_path / "out") as store:
        rows = list(store.labels())
    assert [(row.feature, row.stages, row.status) for row in rows] == [(i, "oneshot", "labelled") for i in range(3)]
    explained = [row for row in rows if row.program is not None]
    assert explained
    assert all((row.forward_passes > 0) == ("--effects" in more) for row in explained)


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--stages", "rules,oneshot"], 2, "needs --llm"),
        (["--stages", "rules,rules", "--llm", "openai:x"], 2, "names a stage twice"),
        (["--enough", "2"], 2, "enough"),
        (["--batch"], 2, "without --llm"),
        (["--features", "0:999999"], 1, "passes the dictionary's last feature"),
        (["--features", "many"], 1, "names no features"),
    ],
)
def test_bad_input_is_one_line(
    tiny: list[str], flags: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(*tiny, *flags) == code
    error = capsys.readouterr().err.strip()
    assert said in error
    assert len(error.splitlines()) == 1
