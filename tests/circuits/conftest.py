"""One small model, and a task on it."""

from __future__ import annotations

import random

import pytest

from autointerp.circuits import Pair, Parts, Task
from autointerp.models import Subject


@pytest.fixture(scope="session")
def parts(subject: Subject) -> Parts:
    return Parts(subject)


@pytest.fixture(scope="session")
def task() -> Task:
    """Random prompts of two lengths, in each of which one token is changed."""
    source, pairs = random.Random(0), []
    for length in (5, 7, 5):
        ids = source.sample(range(3, 300), length)
        place = source.randrange(length - 1)
        changed = [*ids[:place], 2, *ids[place + 1 :]]
        pairs.append(Pair((0, *ids), (0, *changed), (10, 11), (20,)))
    return Task("made up", tuple(pairs))
