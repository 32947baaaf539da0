"""What came of each question, one JSON object a line, kept as it comes."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from autointerp.errors import InputError, OutputError
from autointerp.eval._protocol import Allowance, Grade, Isolation


class Result(BaseModel):
    """One question, one agent.

    `seconds` is wall time of the agent's process; `forward_passes` and `dollars` are what the agent says of itself, None where
    it says nothing. `seed` is the seed of the problems, which is known to nobody before the results are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str
    problem: str
    kind: str
    agent: str
    seed: int
    grade: Grade
    seconds: float
    forward_passes: int | None = None
    dollars: float | None = None
    isolation: Isolation
    allowance: Allowance
    version: str
    at: str


class ResultStore:
    """A file of results that is only ever added to; a last line that was cut off by a kill is dropped.

    Raises InputError for a file that holds anything else, OutputError for one that cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._results: list[Result] = []
        if path.is_file():
            self._read()
        self._asked = {self._key(result) for result in self._results}

    def has(self, task: str, problem: str, agent: str) -> bool:
        """Whether the agent was asked this before."""
        return (task, problem, agent) in self._asked

    def results(self) -> list[Result]:
        """All of them, in the order in which they came."""
        return list(self._results)

    def add(self, result: Result) -> None:
        """Keep a result; it is on disk when this returns."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(result.model_dump_json() + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(
                f"{self.path} cannot be written: {error.strerror or error}; choose another folder"
            ) from error
        self._results.append(result)
        self._asked.add(self._key(result))

    def _read(self) -> None:
        text = self.path.read_text(encoding="utf-8")
        whole, _, cut = text.rpartition("\n")
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                self._results.append(Result.model_validate_json(line))
            except ValidationError as error:
                raise InputError(
                    f"line {number} of {self.path} is no result of this version: choose another folder, or move it away"
                ) from error
        if cut:
            self.path.write_text(whole + "\n" if whole else "", encoding="utf-8")

    @staticmethod
    def _key(result: Result) -> tuple[str, str, str]:
        return result.task, result.problem, result.agent
