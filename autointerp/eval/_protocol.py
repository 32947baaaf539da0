"""What the parts of the evaluation suite are to each other: tasks, problems, kits, answers, grades, agents.

A task makes problems from seeds. A problem writes a *kit*, a folder with everything that an agent may know; the agent runs in a
process of its own, sees the kit and nothing else, and hands in an answer; the problem grades the answer by its truth, which
never leaves the grader's process.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from autointerp.eval._answers import Answer

#: The file in a kit that holds the question.
QUESTION = "question.json"


class Allowance(BaseModel):
    """What an agent may use up on one problem. None: no limit but the others.

    Time is measured, and when it is up the agent is ended. Passes and dollars are what it says of itself: an answer that says
    it took more is not graded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seconds: float = Field(default=120.0, gt=0)
    forward_passes: int | None = Field(default=None, ge=0)
    dollars: float | None = Field(default=None, ge=0)


class Question(BaseModel):
    """What an agent is told: the whole of it. Paths are relative to the kit; names say nothing about the truth.

    `answer` is the JSON schema of what is to be handed in. `given` holds further facts that belong to the question, such as
    inputs whose outputs are to be predicted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    problem: str
    task: str
    asks: str
    model: str
    dictionary: str | None = None
    feature: int | None = None
    corpus: str | None = None
    given: dict[str, Any] = Field(default_factory=dict)
    allowance: Allowance = Allowance()
    answer: dict[str, Any] = Field(default_factory=dict)


class Grade(BaseModel):
    """How much of an answer is right, by program.

    Attributes
    ----------
    score: 0 to 1; 1 for the exact truth.
    success: whether the answer counts as right; each task says from which score on.
    parts: the figures that the score was made of.
    false_discovery: whether something was claimed where there is nothing, or a thing that is not there; None where the question
        does not arise.
    confidence: what the answer stated, None where it stated nothing.
    failure: why there was no answer to grade, in one line.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    score: float = Field(ge=0, le=1)
    success: bool
    parts: dict[str, float] = Field(default_factory=dict)
    false_discovery: bool | None = None
    confidence: float | None = None
    failure: str | None = None


@runtime_checkable
class Problem(Protocol):
    """One question with a known answer."""

    @property
    def name(self) -> str:
        """An opaque name."""
        ...

    @property
    def kind(self) -> str:
        """The kind of thing that is asked about, for the report; an agent never learns it."""
        ...

    def write(self, folder: Path) -> Question:
        """Write the kit into an empty folder, and say what is asked; the caller adds allowance and schema."""
        ...

    def truth(self) -> Answer:
        """The exact truth as an answer; it has to be graded at least 0.99."""
        ...

    def guess(self, seed: int) -> Answer:
        """An answer by chance, of a valid form."""
        ...

    def grade(self, answer: Answer) -> Grade:
        """Grade an answer. Never raises for anything an answer can hold."""
        ...


class Task(Protocol):
    """A kind of question: what an entry point of `autointerp.tasks` names.

    `answer` is the type of what is handed in, `chance` the score that guessing is expected to get at most.
    """

    name: str
    summary: str
    answer: type[Answer]
    chance: float

    def problems(self, seed: int, count: int) -> Sequence[Problem]:
        """So many problems, made from a seed: the same seed makes the same. Several may share one organism."""
        ...


class Agent(Protocol):
    """Whoever answers: what an entry point of `autointerp.eval_agents` names. It runs in a process of its own, on a kit.

    An agent that does not have to reach a language model gets no network.
    """

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def summary(self) -> str:
        """One line about it."""
        ...

    @property
    def network(self) -> bool:
        """Whether it has to reach a language model."""
        ...

    @property
    def answers(self) -> tuple[str, ...] | None:
        """The names of the types of answers that it can give; None for all. It is asked nothing else."""
        ...

    def answer(self, kit: Path, question: Question) -> dict[str, Any]:
        """Work on the question and hand in the answer as plain data of the schema in `question.answer`."""
        ...


Isolation = Literal["jail", "process"]
