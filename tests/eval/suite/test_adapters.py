"""Agents that nobody registered: a graph, a function, a command."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from autointerp.errors import InputError
from autointerp.eval import Question, agent_named

QUESTION = Question(problem="p", task="sums", asks="What is the sum?", model="numbers.txt")
#: Reads the question where it is told that it is, and the numbers beside it.
ADDS = (
    "import json, pathlib, sys; path = pathlib.Path(sys.argv[-1]); name = json.loads(path.read_text())['model'];"
    "print(json.dumps({'total': sum(map(int, (path.parent / name).read_text().split()))}))"
)


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    (tmp_path / "numbers.txt").write_text("4 3")
    (tmp_path / "question.json").write_text(QUESTION.model_dump_json())
    return tmp_path


@pytest.mark.parametrize(
    "agent",
    [
        "python:tests.eval.suite.graphs:GRAPH",
        "python:tests.eval.suite.sums:adds",
        f'command:{sys.executable} -c "{ADDS}"',
    ],
)
def test_each_form_reads_the_kit_and_answers(kit: Path, agent: str) -> None:
    assert agent_named(agent).answer(kit, QUESTION)["total"] == 7


@pytest.mark.parametrize(
    ("agent", "why"),
    [
        ("python:tests.eval.suite.graphs", "names no function: write python:MODULE:FUNCTION"),
        (
            "python:tests.eval.suite.graphs:NONE",
            "cannot be had: module 'tests.eval.suite.graphs' has no attribute 'NONE'",
        ),
        ("command:", "command: names no command"),
        ("command:no-such-program", "no-such-program cannot be run: No such file"),
        (f"command:{sys.executable} -c 'print(3)'", "printed no JSON object: '3"),
        (f"command:{sys.executable} -c 'raise SystemExit(\"lost\")'", "ended with 1: lost"),
        ("nobody", "no agent 'nobody': there are"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(kit: Path, agent: str, why: str) -> None:
    with pytest.raises(InputError) as caught:
        agent_named(agent).answer(kit, QUESTION)
    assert why in str(caught.value)
