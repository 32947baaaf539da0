"""A task that costs nothing to make, and agents that misbehave, for tests of everything around them.

The agents run in a process of their own, by `python:tests.eval.suite.sums:NAME`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autointerp.eval import Answer, Grade, Question


class Sum(Answer):
    """A number."""

    total: int


@dataclass(frozen=True)
class SumProblem:
    """Two numbers in a file; the truth is their sum times a number that nobody is told."""

    first: int
    second: int
    secret: int

    @property
    def name(self) -> str:
        return f"sum-{self.first}-{self.second}"

    @property
    def kind(self) -> str:
        return "even" if self.first % 2 == 0 else "odd"

    def write(self, folder: Path) -> Question:
        (folder / "numbers.txt").write_text(f"{self.first} {self.second}")
        return Question(problem=self.name, task="sums", asks="What is the sum?", model="numbers.txt")

    def truth(self) -> Sum:
        return Sum(total=(self.first + self.second) * self.secret)

    def guess(self, seed: int) -> Sum:
        return Sum(total=seed)

    def grade(self, answer: Answer) -> Grade:
        assert isinstance(answer, Sum)
        right = answer.total == self.truth().total
        return Grade(score=float(right), success=right, confidence=answer.confidence)


class Sums:
    """The task."""

    name = "sums"
    summary = "Add two numbers."
    answer: type[Answer] = Sum
    chance = 0.0

    def __init__(self, secret: int = 1) -> None:
        self.secret = secret

    def problems(self, seed: int, count: int) -> Sequence[SumProblem]:
        return [SumProblem(seed, number, self.secret) for number in range(count)]


def adds(kit: Path, question: Question) -> dict[str, Any]:
    first, second = map(int, (kit / question.model).read_text().split())
    return {"total": first + second, "confidence": 0.9, "forward_passes": 3}


async def adds_later(kit: Path, question: Question) -> dict[str, Any]:
    return adds(kit, question)


def hangs(kit: Path, question: Question) -> dict[str, Any]:
    time.sleep(1000)
    return {}


def crashes(kit: Path, question: Question) -> dict[str, Any]:
    raise ValueError("I do not know how")


def dies(kit: Path, question: Question) -> dict[str, Any]:
    os._exit(3)


def talks_nonsense(kit: Path, question: Question) -> dict[str, Any]:
    return {"total": "many", "mood": "good"}


def says_everything(kit: Path, question: Question) -> dict[str, Any]:
    return {"total": 1, "words": ["x" * 1000] * 10_000}


def searches(kit: Path, question: Question) -> dict[str, Any]:
    """Everything that an agent could look into for the secret; what it finds is its answer."""
    found = []
    for place in (Path("/proc") / str(os.getppid()) / "environ", Path("/proc") / str(os.getppid()) / "mem"):
        try:
            with place.open("rb") as file:
                found.append(file.read(4096))
        except OSError:
            found.append(b"")
    secrets = [Path(folder, name) for folder, _, names in os.walk(kit.parent) for name in names if "secret" in name]
    marks = b"SUMS_SECRET" in b"".join(found) or "SUMS_SECRET" in os.environ
    return {"total": 7 if secrets or marks else 0}
