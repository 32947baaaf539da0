"""A task: pairs of prompts, a metric, and where they come from."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from autointerp.circuits._metrics import LOGIT_DIFFERENCE, Metric
from autointerp.circuits._pairs import Pair, check_pairs, faults, read_pairs, vocabulary_of
from autointerp.errors import InputError
from autointerp.models import Subject

#: How many candidates are drawn for every pair that is wanted before a task is given up.
_ATTEMPTS = 60


@dataclass(frozen=True, slots=True)
class Task:
    """Pairs that a circuit is found on or graded on, checked against one model's tokenizer."""

    name: str
    pairs: tuple[Pair, ...]
    metric: Metric = LOGIT_DIFFERENCE

    def __len__(self) -> int:
        return len(self.pairs)

    def halves(self) -> tuple[Task, Task]:
        """One half to find a circuit on, the other to grade it on."""
        if len(self) < 2:
            raise InputError(f"the task {self.name} has {len(self)} pair: give two at least, one to grade on")
        middle = len(self) // 2
        return Task(self.name, self.pairs[:middle], self.metric), Task(self.name, self.pairs[middle:], self.metric)


#: Draws one candidate pair for a model; None or InputError where what it drew does not suit the tokenizer.
Draw = Callable[[Subject, random.Random], Pair | None]


@dataclass(frozen=True, slots=True)
class Generator:
    """A kind of task that is made from a seed: what it asks, and how a pair is drawn."""

    name: str
    asks: str
    draw: Draw

    def make(self, subject: Subject, count: int, *, seed: int, metric: Metric | None = None) -> Task:
        """A task of `count` different pairs; candidates that the tokenizer does not align are drawn again.

        Raises InputError where the model's tokenizer leaves too few.
        """
        if count < 1:
            raise InputError(f"a task of {count} pairs: ask for one at least")
        source, vocabulary = random.Random(f"{self.name} {seed}"), vocabulary_of(subject)
        found: dict[tuple[tuple[int, ...], tuple[int, ...]], Pair] = {}
        reason = "none was drawn"
        for _ in range(_ATTEMPTS * count):
            try:
                pair = self.draw(subject, source)
            except InputError as error:
                reason = str(error)
                continue
            if pair is None:
                continue
            if wrong := faults(subject, pair, vocabulary):
                reason = "; ".join(wrong)
                continue
            found.setdefault((pair.clean, pair.corrupted), pair)
            if len(found) == count:
                return Task(self.name, tuple(found.values()), metric or LOGIT_DIFFERENCE)
        raise InputError(
            f"the tokenizer of {subject.name} gives {len(found)} of {count} pairs for {self.name} (the last was refused "
            f"because {reason}): ask for fewer, or give pairs of your own in a file"
        )


def read_task(subject: Subject, path: Path, metric: Metric | None = None) -> Task:
    """A task from a file of JSON lines; see `read_pairs`."""
    return Task(path.stem, tuple(read_pairs(subject, path)), metric or LOGIT_DIFFERENCE)


def checked(subject: Subject, task: Task) -> Task:
    """The task itself. Raises InputError where its pairs do not suit this model."""
    check_pairs(subject, task.pairs)
    return task
