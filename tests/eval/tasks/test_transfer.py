"""Finding a head again: held against what the two heads hold on texts that say the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from autointerp.eval.tasks._transfer import Transfer, TransferProblem, crowded
from tests.eval.tasks.validity import graded_exactly, tells_nothing, the_same_again


@pytest.fixture(scope="module")
def problems() -> list[TransferProblem]:
    return list(Transfer().problems(1, 2))


def test_truth_and_chance(problems: list[TransferProblem]) -> None:
    graded_exactly(Transfer(), problems)


def test_the_same_seed_asks_the_same() -> None:
    the_same_again(Transfer(), 5, 1)


def test_the_kit(problems: list[TransferProblem], tmp_path: Path) -> None:
    """The two vocabularies are matched token by token, and the layer of a head does not say which it is."""
    problem = problems[0]
    question = tells_nothing(Transfer(), problem, tmp_path)
    assert (tmp_path / question.given["first"] / "config.json").is_file()
    assert question.given["component"] in question.given["map"]
    assert problem.variable in crowded(problem.first)
    text = problem.first.texts[0]
    there = " ".join(question.given["words"][word] for word in text.split())
    one, other = problem.first.organism.circuit, problem.second.organism.circuit
    before, after = (c.model.solve(c.model.indices([c.read(t)])) for c, t in ((one, text), (other, there)))
    assert (before[problem.variable] == after[problem.variable]).all()
