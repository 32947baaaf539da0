"""Agents in processes of their own: what they hand in is graded, what they break is theirs alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from autointerp.errors import InputError
from autointerp.eval import Allowance, Batch, Entry, Result, ResultStore, run_suite
from tests.eval.suite.sums import Sums

HERE = "python:tests.eval.suite.sums:"
REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))


def asked(
    folder: Path, *agents: str, count: int = 1, seconds: float = 200.0, passes: int | None = None, secret: int = 1
) -> list[Result]:
    store = ResultStore(folder / "results.jsonl")
    entries = [Entry(HERE + agent) for agent in agents]
    allowance = Allowance(seconds=seconds, forward_passes=passes)
    return list(run_suite([Batch(Sums(secret), 4, count)], entries, store, allowance=allowance))


@pytest.mark.parametrize("agent", ["adds", "adds_later"])
def test_a_right_answer_is_right(tmp_path: Path, agent: str) -> None:
    (result,) = asked(tmp_path, agent)
    assert (result.grade.score, result.grade.success, result.grade.confidence) == (1.0, True, 0.9)
    assert (result.forward_passes, result.kind, result.problem) == (3, "even", "sum-4-0")
    assert result.isolation == ("jail" if shutil.which("bwrap") else "process")


@pytest.mark.parametrize(
    ("agent", "why"),
    [
        ("crashes", "it ended with 1: ValueError: I do not know how"),
        ("dies", "it ended with 3"),
        ("talks_nonsense", "not an answer: total"),
        ("says_everything", "bytes; at most"),
        ("is_not_there", "cannot be had"),
    ],
)
def test_what_an_agent_breaks_is_a_failed_answer(tmp_path: Path, agent: str, why: str) -> None:
    broken, right = sorted(asked(tmp_path, agent, "adds"), key=lambda result: result.grade.success)
    assert (broken.grade.score, broken.grade.success) == (0.0, False)
    assert why in (broken.grade.failure or "")
    assert right.grade.success


def test_an_agent_that_took_too_much_is_not_graded(tmp_path: Path) -> None:
    (result,) = asked(tmp_path, "adds", passes=2)
    assert result.grade.failure == "it took 3 forward passes, 2 are allowed"
    assert (result.grade.score, result.forward_passes) == (0.0, 3)


def test_an_agent_that_hangs_is_ended(tmp_path: Path) -> None:
    (result,) = asked(tmp_path, "hangs", seconds=8)
    assert result.grade.failure == "it was not done after 8 s"
    assert 8 <= result.seconds < 30


def test_one_that_looks_for_the_truth_finds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUMS_SECRET", "7")
    (tmp_path / "secret.txt").write_text("7")
    (result,) = asked(tmp_path, "searches", secret=7)
    assert result.grade.failure is None
    # Nothing was found: it answers 0, where the right answer is (4 + 0) * 7 and what it would have found is 7.
    assert not result.grade.success


def test_a_question_is_asked_once(tmp_path: Path) -> None:
    assert len(asked(tmp_path, "adds", count=2)) == 2
    again = asked(tmp_path, "adds", "crashes", count=3)
    assert sorted((r.problem, r.grade.success) for r in again) == [
        ("sum-4-0", False),
        ("sum-4-1", False),
        ("sum-4-2", False),
        ("sum-4-2", True),
    ]


def test_a_line_that_was_cut_off_is_asked_again(tmp_path: Path) -> None:
    asked(tmp_path, "adds", count=2)
    path = tmp_path / "results.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    assert len(ResultStore(path).results()) == 1
    assert len(asked(tmp_path, "adds", count=2)) == 1
    assert len(ResultStore(path).results()) == 2


def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text('{"other": 1}\n')
    with pytest.raises(InputError, match=r"line 1 of .* is no result of this version"):
        ResultStore(path)
    assert path.read_text() == '{"other": 1}\n'
