"""The folder of a run: its settings, its notebook, its checkpoints; one process at a time works on it."""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from autointerp._version import __version__
from autointerp.errors import InputError, OutputError
from autointerp.records import RunRecord

#: Raised with every change of what is in a run's folder.
RUN_FORMAT: Final = 1
_SETTINGS, _LOCK = "run.json", "lock"


class RunSettings(BaseModel):
    """What decides the course of a run: resumed, it goes on with these whatever the flags say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = RUN_FORMAT
    autointerp: str = __version__
    id: str
    feature: int
    model: str = "pystdlib"
    dictionary: str = "pystdlib-sae"
    corpus: str = "stdlib"
    tokens: int = 300_000
    seed: int = 0
    device: str = "auto"
    dtype: str = "auto"
    strategy: str = "investigate"
    rounds: int = 3
    llm: str | None = None
    critic: str | None = None
    budget: str = ""
    llm_cache: str | None = None
    prices: str | None = None
    replay: bool = False


class RunFolder:
    """A folder with a run in it. `begin` makes one, `find` opens one that is there."""

    def __init__(self, path: Path, settings: RunSettings) -> None:
        self.path, self.settings = path, settings

    @classmethod
    def begin(cls, parent: Path, **settings: object) -> RunFolder:
        """Make a folder for a new run beneath `parent`. Raises OutputError where that cannot be written."""
        made = RunSettings.model_validate({"id": uuid.uuid4().hex[:8], **settings})
        path = parent / f"feature-{made.feature}-{made.strategy}-{made.id}"
        try:
            path.mkdir(parents=True)
            temporary = path / f"{_SETTINGS}.tmp"
            temporary.write_text(made.model_dump_json(indent=1) + "\n", encoding="utf-8")
            os.replace(temporary, path / _SETTINGS)
        except OSError as error:
            raise OutputError(f"no run can be begun in {path} ({error.strerror}): choose another folder") from error
        return cls(path, made)

    @classmethod
    def find(cls, path: Path) -> RunFolder:
        """Open the folder of a run. Raises InputError for anything else, and for one of another version."""
        try:
            content = json.loads((path / _SETTINGS).read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(
                f"{path} is no folder of a run ({error.strerror}): give the one that the run named"
            ) from error
        except ValueError as error:
            raise InputError(f"{path / _SETTINGS} is no JSON ({error}): the run cannot go on, begin it anew") from error
        found = (content.get("format"), content.get("autointerp")) if isinstance(content, dict) else (None, None)
        if found != (RUN_FORMAT, __version__):
            raise InputError(
                f"{path} was begun by autointerp {found[1]} (format {found[0]}), this is {__version__} (format {RUN_FORMAT}):"
                " resume it with that version, or begin it anew"
            )
        try:
            return cls(path, RunSettings.model_validate(content))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "its settings"
            raise InputError(f"{path / _SETTINGS} was altered ({where}: {first['msg']}): begin the run anew") from error

    @property
    def notebook(self) -> Path:
        """The file of the notebook."""
        return self.path / "notebook.sqlite"

    @property
    def checkpoints(self) -> Path:
        """The file of the graph's checkpoints."""
        return self.path / "checkpoints.sqlite"

    @property
    def record(self) -> Path:
        """The record, there once the run is done."""
        return self.path / "record.json"

    @property
    def page(self) -> Path:
        """The page, there once the run is done."""
        return self.path / "page.html"

    def keep(self, record: RunRecord) -> None:
        """Write the record, whole or not at all: the run is done then."""
        temporary = self.record.with_suffix(".tmp")
        try:
            temporary.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
            os.replace(temporary, self.record)
        except OSError as error:
            raise OutputError(
                f"{self.record} cannot be written ({error.strerror}): make room and resume the run"
            ) from error

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else works on the run meanwhile; the lock goes with the process, however it ends. Raises InputError."""
        with (self.path / _LOCK).open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                lock.seek(0)
                holder = lock.read().strip() or "unknown"
                raise InputError(
                    f"{self.path} is being worked on by process {holder}: wait for it, or end it and resume then"
                ) from error
            lock.seek(0)
            lock.truncate()
            lock.write(str(os.getpid()))
            lock.flush()
            yield
