"""What every task has to hold to, whoever answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from autointerp.eval._protocol import Problem, Question, Task

#: Words that a kit may not hold: what an organism is made of, in the words of those who made it.
SECRETS = ("compiled", "backdoor", "trigger", "twin", "disguise", "organism")
GUESSES = 6


def graded_exactly(task: Task, problems: Sequence[Problem]) -> None:
    """The truth is graded as right, guessing as no better than chance, and whatever an answer holds is graded."""
    for problem in problems:
        grade = problem.grade(problem.truth())
        assert grade.score >= 0.99, (problem.kind, grade)
        assert grade.success
        empty = problem.grade(task.answer())
        assert 0 <= empty.score <= 1
    scores = [problem.grade(problem.guess(seed)).score for problem in problems for seed in range(GUESSES)]
    assert np.mean(scores) <= task.chance + 0.05, np.mean(scores)


def tells_nothing(task: Task, problem: Problem, folder: Path) -> Question:
    """Names are opaque, question and kit can be read, and no file of the kit has a word about the truth."""
    question = problem.write(folder)
    assert question.problem == problem.name
    assert question.task == task.name
    assert problem.name.startswith("net-")
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix in (".json", ".jsonl"):
            text = path.read_text(encoding="utf-8")
            assert not [word for word in SECRETS if word in text.lower()], path
    for corpus in folder.glob("*.jsonl"):
        assert all(json.loads(line) for line in corpus.read_text(encoding="utf-8").splitlines())
    return question


def the_same_again(task: Task, seed: int, count: int) -> None:
    """The same seed makes the same problems, another one others."""
    first, second, other = ([p.name for p in task.problems(s, count)] for s in (seed, seed, seed + 1))
    assert first == second
    assert len(set(first)) == count
    assert not set(first) & set(other)
