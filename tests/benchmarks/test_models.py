"""The benchmark of batches, on the tiny model: its figures are figures, and its two sides compute the same."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from autointerp.models import Subject
from benchmarks import models

SMALL = models.Size(tokens=6, every=4, new=3, reads=2, turns=1)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "CLIENTS", 5)
    # Set for the whole process, so not here.
    monkeypatch.setattr(models.torch, "set_num_threads", lambda count: None)


def test_rows_compare_what_is_the_same(model_folder: Path) -> None:
    subject = Subject.load(str(model_folder))
    rows = {row.name: row for row in models.run(subject, SMALL, seed=0)}
    assert rows["patches"].value == 3 * 4 * 6
    assert rows["sweep: largest difference of a logit"].met
    assert rows["texts written: different"].value == 0
    assert rows["clients"].value == 5
    faster, each = rows["sweep: times faster than one trace each"], rows["sweep: a patch"]
    assert faster.value == pytest.approx(each.baseline / each.value)
    assert faster.target == ">= 10"
    written = rows["texts written: times the throughput of one after another"]
    assert written.target == ">= 5"
    assert rows["texts written: a text"].baseline / rows["texts written: a text"].value == pytest.approx(written.value)
    run = rows["trace: a run"]
    assert rows["trace: more than plain hooks"].value == pytest.approx(run.value - run.baseline)
    assert all(row.value > 0 for row in rows.values() if row.unit == "ratio")


def test_texts_are_as_long_as_asked(subject: Subject) -> None:
    texts = models.snippets(subject, [4, 9, 1])
    assert [len(text) for text in texts] == [4, 9, 1]
    assert {text[0] for text in texts} == {subject.bos}
    assert texts[0][1:4] != texts[1][1:4]


def test_turns_are_medians_of_cpu_time() -> None:
    calls: list[str] = []
    first, second = models.turns(3, lambda: calls.append("a"), lambda: sum(range(100_000)) and calls.append("b"))
    assert calls == ["a", "b"] * 4
    assert 0 <= first < second


def test_it_runs_from_the_command_line(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.json"
    monkeypatch.setattr(sys, "argv", ["models.py", "--quick", "--json", str(path)])
    monkeypatch.setattr(models, "QUICK", SMALL)
    monkeypatch.setattr(models, "Subject", type("Tiny", (), {"load": lambda name: Subject.load(str(model_folder))}))
    models.main()
    rows = json.loads(path.read_text())
    assert {"name", "value", "unit", "baseline", "target", "met"} == set(rows[0])
    assert "times faster" in capsys.readouterr().out
