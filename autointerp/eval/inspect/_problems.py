"""Problems as samples: the kits are written once, and the truth stays in the memory of this process."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from weakref import finalize

from autointerp.eval._protocol import Allowance, Problem, Question, Task
from autointerp.eval._runner import write_kit


@dataclass(frozen=True, eq=False)
class Asked:
    """The problems of one run by name, with their kits; the kits are removed when nobody holds this any more."""

    task: Task
    problems: dict[str, Problem]
    questions: dict[str, Question]
    folder: Path

    @classmethod
    def make(cls, task: Task, seed: int, count: int, allowance: Allowance) -> Asked:
        """Make the problems and write their kits."""
        problems: Sequence[Problem] = task.problems(seed, count)
        folder = Path(tempfile.mkdtemp())
        questions = {
            problem.name: write_kit(task, problem, folder / "kits" / problem.name, allowance) for problem in problems
        }
        made = cls(task, {problem.name: problem for problem in problems}, questions, folder)
        finalize(made, shutil.rmtree, folder, ignore_errors=True)
        return made

    def kit(self, name: str) -> Path:
        """The kit of a problem."""
        return self.folder / "kits" / name

    @property
    def home(self) -> Path:
        """Where agents may keep files between problems."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return home
