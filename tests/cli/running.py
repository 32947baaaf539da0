"""What a call of the command line gave, and how it is called."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from autointerp.records import RunRecord

#: One that has something to explain, and one that never fires and so costs a run no learning and no scoring.
FEATURE, DEAD = 40, 63
REPOSITORY = Path(__file__).resolve().parents[2]
DRIVER = Path(__file__).with_name("driver.py")


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line that an error has to be."""
        assert self.err.startswith("autointerp: ")
        assert self.err.endswith("\n")
        assert self.err.count("\n") == 1
        assert "Traceback" not in self.err
        return self.err.strip()


Call = Callable[..., Result]


def options_of(options: dict[str, object]) -> list[object]:
    return [part for name, value in options.items() for part in (f"--{name}", value)]


def timeless(record: RunRecord) -> RunRecord:
    return record.model_copy(update={"cost": record.cost.model_copy(update={"seconds": 0.0})})


def in_a_process(*arguments: object, before: tuple[str, ...] = ()) -> Result:
    """Run Python with these arguments in a process group of its own."""
    command = [*before, sys.executable, *map(str, arguments)]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=REPOSITORY, timeout=300, start_new_session=True
    )
    return Result(done.returncode, done.stdout, done.stderr)
