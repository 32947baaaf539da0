"""A deliberate cheat gains nothing where seeds are drawn, though it would know what to do with one."""

from __future__ import annotations

import json
import secrets
import shutil
from pathlib import Path

import pytest

from autointerp.eval import Allowance, Batch, Entry, Question, ResultStore, run_suite, task_named
from tests.eval.suite.cheats import NOTHING, cheats

REPOSITORY = Path(__file__).resolve().parents[3]
HERE = "python:tests.eval.suite.cheats:cheats"


@pytest.mark.parametrize("task", sorted(NOTHING))
def test_a_cheat_that_knows_the_seed_has_the_truth(task: str, tmp_path: Path) -> None:
    """Otherwise the next test would show nothing."""
    problem = task_named(task).problems(1, 1)[0]
    question = Question(problem=problem.name, task=task, asks="", model="model")
    assert problem.grade(type(problem.truth())(**cheats(tmp_path, question))).score >= 0.99


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")
@pytest.mark.parametrize("task", sorted(NOTHING))
def test_a_cheat_finds_no_drawn_seed(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    seed = 10**15 + secrets.randbelow(10**15)
    # Where `autointerp eval run --fresh` keeps it, and in an environment that is not handed on.
    (tmp_path / "seeds.json").write_text(json.dumps([seed]), encoding="utf-8")
    monkeypatch.setenv("CHEAT_HERE", str(tmp_path))
    store = ResultStore(tmp_path / "results.jsonl")
    found = list(
        run_suite([Batch(task_named(task), seed, 2)], [Entry(HERE)], store, allowance=Allowance(seconds=240.0))
    )
    assert [result.grade.failure for result in found] == [None, None]
    assert [result.grade.score for result in found] == [0.0, 0.0]
