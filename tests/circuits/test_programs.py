"""Every program of the library answers the prompts of its task, clean and corrupted."""

from __future__ import annotations

import pytest

from autointerp.circuits import PROGRAMS, TASKS
from autointerp.models import Subject


@pytest.fixture(scope="module")
def bundled() -> Subject:
    return Subject.load("pystdlib", device="cpu")


def test_there_is_a_program_for_every_task() -> None:
    assert set(PROGRAMS) == set(TASKS)


@pytest.mark.parametrize("name", sorted(TASKS))
def test_the_program_answers(bundled: Subject, name: str) -> None:
    task = TASKS[name].make(bundled, 6, seed=2)
    strings = bundled.strings
    prompts = [ids for pair in task.pairs for ids in (pair.clean, pair.corrupted)]
    answers = [row["answer"] for row in PROGRAMS[name].run([[strings[i] for i in ids[1:]] for ids in prompts])]
    for pair, clean, corrupted in zip(task.pairs, answers[::2], answers[1::2], strict=True):
        assert clean in {strings[i] for i in pair.right}
        assert corrupted in {strings[i] for i in pair.wrong}
