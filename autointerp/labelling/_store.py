"""The label store: one SQLite file, one row a feature, and nothing in it that is half done."""

from __future__ import annotations

import fcntl
import json
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from autointerp.errors import CacheError, InputError, OutputError
from autointerp.labelling._label import Attempt, Label, Settled
from autointerp.records import RunRecord

#: Raised with every change that an older reader would misunderstand.
FORMAT = 1
NAME = "labels.sqlite"

_COLUMNS = tuple(Label.model_fields)
_TABLES = f"""
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS attempts (feature INTEGER, stage TEXT, content TEXT NOT NULL, PRIMARY KEY (feature, stage));
CREATE TABLE IF NOT EXISTS labels (
    {", ".join("feature INTEGER PRIMARY KEY" if c == "feature" else c for c in _COLUMNS)}, record BLOB);
CREATE TABLE IF NOT EXISTS earlier (feature INTEGER, revision INTEGER, row TEXT NOT NULL, PRIMARY KEY (feature, revision));
"""


class LabelStore:
    """Labels of one dictionary, in a folder. A context manager; one process at a time may have it open for writing.

    Each label is written in a transaction of its own, so a process that is killed leaves every label whole or absent. What a
    stage handed in is written as soon as it is there, so that no stage is run again for a feature that was not finished.
    """

    def __init__(self, folder: Path, *, about: Mapping[str, str] | None = None) -> None:
        """Open the store, or make it where `about` says what it is of.

        Parameters
        ----------
        about: the names by which a store is known to be of the same model, dictionary, index and seed.

        Raises
        ------
        InputError: no store there, a store of something else, or one that another process has open.
        CacheError: the file is no label store, or of another version.
        OutputError: the folder cannot be written.
        """
        self.folder, self.path = folder, folder / NAME
        self._lock = None
        if about is None and not self.path.is_file():
            raise InputError(f"there are no labels in {folder}: give the folder that `autointerp label --out` wrote")
        try:
            if about is not None:
                folder.mkdir(parents=True, exist_ok=True)
                self._lock = (folder / f"{NAME}.lock").open("w")
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._database = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        except BlockingIOError as error:
            self._unlock()
            raise InputError(
                f"another process is labelling into {folder}: wait for it, or give another --out"
            ) from error
        except (OSError, sqlite3.Error) as error:
            self._unlock()
            raise OutputError(
                f"cannot write labels to {folder} ({error}): choose a folder that you may write to"
            ) from error
        try:
            self._begin(about)
        except sqlite3.Error as error:
            self.close()
            raise CacheError(f"{self.path} is no label store ({error}): move it away, or give another --out") from error
        except BaseException:
            self.close()
            raise

    def _begin(self, about: Mapping[str, str] | None) -> None:
        if about is not None:
            # A kill loses nothing that was committed; only a power cut could, and then the last labels alone.
            self._database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" + _TABLES)
        found = dict(self._database.execute("SELECT name, value FROM about").fetchall())
        written = found.pop("format", None)
        if written is not None and written != str(FORMAT):
            raise CacheError(f"{self.path} has format {written}, this version reads {FORMAT}: give another --out")
        if about is not None and written is None:
            rows = [("format", str(FORMAT)), *about.items()]
            with self._transaction():
                self._database.executemany("INSERT INTO about VALUES (?, ?)", rows)
            found = dict(about)
        for name, value in (about or {}).items():
            if found.get(name) != value:
                raise InputError(
                    f"{self.folder} holds labels of another {name} ({found.get(name)}, not {value}): give another --out"
                )
        self.about = found

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            self._database.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close the file and let others have it."""
        self._database.close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> LabelStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM labels").fetchone()[0])

    def attempts(self, feature: int) -> list[Attempt]:
        """What stages handed in, in the order in which they did."""
        rows = self._database.execute("SELECT content FROM attempts WHERE feature = ? ORDER BY rowid", (feature,))
        return [Attempt.model_validate_json(content) for (content,) in rows]

    def attempted(self) -> dict[int, list[str]]:
        """By feature the stages that handed something in, in that order."""
        found: dict[int, list[str]] = {}
        for feature, stage in self._database.execute("SELECT feature, stage FROM attempts ORDER BY rowid"):
            found.setdefault(feature, []).append(stage)
        return found

    def add(self, feature: int, attempt: Attempt) -> None:
        """Keep what a stage handed in."""
        row = (feature, attempt.stage, attempt.model_dump_json())
        self._database.execute("INSERT OR REPLACE INTO attempts VALUES (?, ?, ?)", row)

    def settle(self, settled: Settled) -> Label:
        """Write the row of a feature. One that was there goes among the earlier ones, and the revision is one higher."""
        label = settled.label
        before = self.label(label.feature)
        with self._transaction():
            if before is not None:
                label = label.model_copy(update={"revision": before.revision + 1})
                row = (before.feature, before.revision, before.model_dump_json())
                self._database.execute("INSERT OR REPLACE INTO earlier VALUES (?, ?, ?)", row)
            record = None if settled.record is None else zlib.compress(settled.record.model_dump_json().encode())
            values = [*label.model_dump(mode="json").values(), record]
            places = ", ".join("?" * len(values))
            self._database.execute(f"INSERT OR REPLACE INTO labels VALUES ({places})", values)
        return label

    def label(self, feature: int) -> Label | None:
        """The row of a feature; None where it has none."""
        return next(self._labels("WHERE feature = ?", feature), None)

    def labels(self) -> Iterator[Label]:
        """All rows by feature, read one after the other."""
        return self._labels("ORDER BY feature")

    def _labels(self, clause: str, *values: int) -> Iterator[Label]:
        for row in self._database.execute(f"SELECT {', '.join(_COLUMNS)} FROM labels {clause}", values):
            yield Label.model_validate(dict(zip(_COLUMNS, row, strict=True)))

    def earlier(self, feature: int) -> list[Label]:
        """The rows that a feature had before, oldest first."""
        rows = self._database.execute("SELECT row FROM earlier WHERE feature = ? ORDER BY revision", (feature,))
        return [Label.model_validate(json.loads(row)) for (row,) in rows]

    def record(self, feature: int) -> RunRecord | None:
        """The record that the page of a feature is drawn from; None where it has none."""
        row = self._database.execute("SELECT record FROM labels WHERE feature = ?", (feature,)).fetchone()
        return None if row is None or row[0] is None else RunRecord.model_validate_json(zlib.decompress(row[0]))


def now() -> datetime:
    """The time that a row is written with."""
    return datetime.now(UTC).replace(microsecond=0)
