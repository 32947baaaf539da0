"""The benchmark of the index, on the tiny model and a handful of tokens: that it measures, not what."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from autointerp.activations import Corpus
from autointerp.models import Subject
from benchmarks import index_build


@pytest.fixture
def small(subject: Subject, corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_build.Subject, "load", lambda *_, **__: subject)
    monkeypatch.setattr(index_build, "open_corpus", lambda _: corpus)
    monkeypatch.setattr(index_build, "SIZES", {64: "<= 1.10", 128: "<= 1.20"})
    monkeypatch.setattr(index_build, "QUICK", 3000)
    monkeypatch.setattr(index_build, "K", 4)
    monkeypatch.setattr(index_build, "READS", 5)


@pytest.mark.usefixtures("small")
def test_every_figure_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_build, "peak", lambda tokens: 100.0 + tokens / 10**6)
    monkeypatch.setattr(sys, "argv", ["index_build.py", "--quick", "--json", str(tmp_path / "rows.json")])
    index_build.main()
    rows = {row["name"]: row for row in json.loads((tmp_path / "rows.json").read_text())}
    assert rows["tokens"]["value"] == 3000
    for latents in (64, 128):
        seconds = rows[f"build, {latents} latents: CPU time"]
        ratio = rows[f"build, {latents} latents: over the floor"]
        assert ratio["value"] == pytest.approx(seconds["value"] / seconds["baseline"])
        assert ratio["target"] is None  # so few tokens say nothing about the aim
        assert rows[f"build, {latents} latents: on disk"]["value"] > 0.1
        assert rows[f"build, {latents} latents: one feature, median"]["target"] == "< 5"
    memory = rows["peak memory at 500000 over 250000 tokens"]
    assert memory["value"] == pytest.approx(100.5 / 100.25)
    assert memory["met"]


@pytest.mark.usefixtures("small")
def test_the_floor_runs_every_passage_once(subject: Subject, tmp_path: Path) -> None:
    before = subject.usage.forward_passes
    measured = index_build.measure(subject, 64, 3000, 0, tmp_path)
    # The product and the floor, a batch each.
    batches = -(
        -sum(view.passages for view in (measured.index.train, measured.index.refine, measured.index.test)) // 32
    )
    assert subject.usage.forward_passes - before == 2 * batches
    assert measured.product > 0 < measured.floor
