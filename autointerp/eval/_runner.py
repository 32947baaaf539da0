"""Asking agents: kits are written, agents run, answers are read and graded, and what came of it is kept at once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from autointerp._version import __version__
from autointerp.eval._isolation import Ran, run_agent
from autointerp.eval._protocol import QUESTION, Allowance, Grade, Problem, Question, Task
from autointerp.eval._results import Result, ResultStore
from autointerp.eval.agents import Handed, agent_named, handed_in

#: Called with what is being done, how many questions were answered, and how many there are.
Progress = Callable[[str, int, int], None]


def silent(text: str, done: int, total: int) -> None:
    """Nobody is told."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Who is asked: a registered agent, and its language model where it has one."""

    agent: str
    llm: str | None = None

    @property
    def label(self) -> str:
        """How the results call it."""
        return self.agent if self.llm is None else f"{self.agent} ({self.llm})"


@dataclass(frozen=True, slots=True)
class Batch:
    """Problems of one task from one seed."""

    task: Task
    seed: int
    count: int


def run_suite(
    batches: Iterable[Batch],
    entries: Iterable[Entry],
    store: ResultStore,
    *,
    allowance: Allowance,
    workers: int | None = None,
    progress: Progress = silent,
) -> Iterator[Result]:
    """Ask every entry every problem that it was not asked before; results are stored as they come, and yielded.

    An agent is not asked what it gives no answers to. `workers` agents work at a time, by default as many as there are
    processors. Nothing that an agent does ends the run: what it breaks is a failed answer with its reason.
    """
    batches, entries, workers = list(batches), list(entries), workers or os.cpu_count() or 1
    able = {batch: [entry for entry in entries if _can_answer(entry, batch.task)] for batch in batches}
    total, done = sum(batch.count * len(able[batch]) for batch in batches), 0
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(workers) as pool:
        homes = {entry: Path(tempfile.mkdtemp(dir=scratch)) for entry in entries}
        for batch in batches:
            progress(f"making {batch.task.name}", done, total)
            asked: list[Future[Result]] = []
            for problem in batch.task.problems(batch.seed, batch.count):
                for entry in able[batch]:
                    if store.has(batch.task.name, problem.name, entry.label):
                        done += 1
                        continue
                    asked.append(pool.submit(_asked, batch, problem, entry, homes[entry], store.path.parent, allowance))
            try:
                for future in as_completed(asked):
                    result = future.result()
                    store.add(result)
                    done += 1
                    progress(f"{batch.task.name}: {result.agent}", done, total)
                    yield result
            finally:
                for future in asked:
                    future.cancel()


def _can_answer(entry: Entry, task: Task) -> bool:
    """Whether that is a question for this agent."""
    answers = agent_named(entry.agent).answers
    return answers is None or task.answer.__name__ in answers


def _asked(batch: Batch, problem: Problem, entry: Entry, home: Path, hidden: Path, allowance: Allowance) -> Result:
    agent = agent_named(entry.agent)
    with tempfile.TemporaryDirectory() as folder:
        kit = Path(folder) / "kit"
        write_kit(batch.task, problem, kit, allowance)
        ran = run_agent(
            entry.agent,
            kit,
            home=home,
            seconds=allowance.seconds,
            network=agent.network,
            hidden=[hidden],
            llm=entry.llm,
        )
    grade, passes, dollars = graded(batch.task, problem, ran, allowance)
    return Result(
        task=batch.task.name,
        problem=problem.name,
        kind=problem.kind,
        agent=entry.label,
        seed=batch.seed,
        grade=grade,
        seconds=ran.seconds,
        forward_passes=passes,
        dollars=dollars,
        isolation=ran.isolation,
        allowance=allowance,
        version=__version__,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def graded(task: Task, problem: Problem, ran: Ran, allowance: Allowance) -> tuple[Grade, int | None, float | None]:
    """The grade of what a process left behind, and what the agent says that it used."""
    if ran.failure is not None or ran.output is None:
        return _failed(ran.failure or "it handed nothing in"), None, None
    handed = handed_in(ran.output)
    if isinstance(handed, str):
        return _failed(handed), None, None
    beyond = _beyond(handed, allowance)
    grade = _failed(beyond) if beyond else grade_of(task, problem, handed.answer)
    return grade, handed.forward_passes, handed.dollars


def _beyond(handed: Handed, allowance: Allowance) -> str | None:
    """What an agent says it took more of than it was allowed; None where it kept to that."""
    for what in ("forward_passes", "dollars"):
        used, most = getattr(handed, what), getattr(allowance, what)
        if used is not None and most is not None and used > most:
            return f"it took {used:g} {what.replace('_', ' ')}, {most:g} are allowed"
    return None


def write_kit(task: Task, problem: Problem, kit: Path, allowance: Allowance) -> Question:
    """Make the folder with all that an agent may know, the question among it."""
    kit.mkdir(parents=True)
    question = problem.write(kit)
    schema = task.answer.model_json_schema()
    question = question.model_copy(update={"allowance": allowance, "answer": schema})
    (kit / QUESTION).write_text(question.model_dump_json(indent=1), encoding="utf-8")
    return question


def grade_of(task: Task, problem: Problem, answer: dict[str, Any] | str) -> Grade:
    """The grade of an answer, as plain data or as JSON; what is no answer of this task is graded 0 with the reason."""
    read = task.answer.model_validate_json if isinstance(answer, str) else task.answer.model_validate
    try:
        return problem.grade(read(answer))  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        return _failed(f"not an answer: {place}: {first['msg']}"[:400])


def _failed(why: str) -> Grade:
    return Grade(score=0.0, success=False, failure=why)
