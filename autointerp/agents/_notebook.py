"""The notebook on disk: entries that are written once, in one SQLite file of the run's folder.

An entry is stored under its kind and key. Whoever writes it again, after a kill for instance, gets the one that is there, with
its time stamp: so a prediction keeps the moment at which it was first registered, and a finished experiment is not made again.
"""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, TypeAdapter

from autointerp.errors import CacheError
from autointerp.records import (
    Conclusion,
    Experiment,
    Hypothesis,
    Judgement,
    Ledger,
    Outcome,
    Registered,
    Remark,
    Spent,
)

#: Raised with every change of the tables or of what is in them.
VERSION: Final = 1
_TABLES = """
CREATE TABLE entries (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, content TEXT NOT NULL, UNIQUE (kind, key)
);
CREATE TABLE used (number INTEGER PRIMARY KEY, key TEXT NOT NULL, unit TEXT NOT NULL, amount REAL NOT NULL);
CREATE INDEX used_by_unit ON used (unit);
"""
_EXPERIMENT: TypeAdapter[Experiment] = TypeAdapter(Experiment)
M = TypeVar("M", bound=BaseModel)


class Notebook:
    """One investigation's notebook; without a path it is kept in memory. Safe for threads.

    Raises CacheError where the file is no notebook or one of another version.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(
            path or ":memory:", isolation_level=None, check_same_thread=False, timeout=30
        )
        weakref.finalize(self, self._connection.close)
        try:
            found = self._connection.execute("PRAGMA user_version").fetchone()[0]
            if found == 0 and not self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
                found = VERSION
        except sqlite3.DatabaseError as error:
            raise CacheError(f"{path} is no notebook ({error}): begin the investigation anew") from error
        if found != VERSION:
            self._connection.close()
            raise CacheError(
                f"{path} is a notebook of version {found}, this is version {VERSION}: begin the investigation anew"
            )

    def put(self, kind: str, key: str, value: M) -> M:
        """Write an entry; returns what stands under that key, which is the older one where there is one."""
        return self._put(kind, key, value.model_dump_json(), type(value))

    def put_text(self, kind: str, key: str, text: str) -> str:
        """The same for plain text."""
        with self._lock:
            self._connection.execute(
                "INSERT OR IGNORE INTO entries (kind, key, content) VALUES (?, ?, ?)", (kind, key, text)
            )
        found = self.text(kind, key)
        assert found is not None
        return found

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is written inside is written whole or not at all, whenever the process is killed."""
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def text(self, kind: str, key: str) -> str | None:
        """The content of an entry, None where there is none."""
        with self._lock:
            row = self._connection.execute(
                "SELECT content FROM entries WHERE kind = ? AND key = ?", (kind, key)
            ).fetchone()
        return None if row is None else str(row[0])

    def has(self, kind: str, key: str) -> bool:
        """Whether there is such an entry."""
        return self.text(kind, key) is not None

    def all(self, kind: str, model: type[M]) -> tuple[M, ...]:
        """The entries of a kind in the order in which they were written."""
        return tuple(model.model_validate_json(text) for text in self._contents(kind))

    def experiments(self) -> tuple[Experiment, ...]:
        """The experiments that were designed."""
        return tuple(_EXPERIMENT.validate_json(text) for text in self._contents("experiment"))

    def hypotheses(self) -> tuple[Hypothesis, ...]:
        """All that were proposed."""
        return self.all("hypothesis", Hypothesis)

    def remark(self, key: str, text: str) -> None:
        """Note something down; once a key."""
        self.put("remark", key, Remark(at=now(), text=text))

    def ledger(self, strategy: str, scientist: str, *, limits: str = "", spent: Spent | None = None) -> Ledger:
        """Everything as a value."""
        conclusions = self.all("conclusion", Conclusion)
        return Ledger(
            strategy=strategy,
            scientist=scientist,
            hypotheses=self.hypotheses(),
            experiments=self.experiments(),
            predictions=self.all("prediction", Registered),
            outcomes=self.all("outcome", Outcome),
            judgements=self.all("judgement", Judgement),
            remarks=self.all("remark", Remark),
            conclusion=conclusions[-1] if conclusions else None,
            limits=limits,
            spent=spent or self.spent(),
        )

    def spent(self) -> Spent:
        """What the meter counted; language models count theirs themselves."""
        return Spent(
            tool_calls=int(self.used("tool_calls")),
            forward_passes=int(self.used("forward_passes")),
            seconds=self.used("seconds"),
        )

    def used(self, unit: str) -> float:
        """The sum of one unit."""
        with self._lock:
            row = self._connection.execute(
                "SELECT coalesce(sum(amount), 0) FROM used WHERE unit = ?", (unit,)
            ).fetchone()
        return float(row[0])

    def spend(
        self, key: str, wanted: Mapping[str, int], limits: Mapping[str, int | None]
    ) -> tuple[str, int, int] | None:
        """Count amounts, all or none; returns the unit, what is used and the limit where one would be passed."""
        with self._lock:
            for unit, amount in wanted.items():
                limit, used = limits.get(unit), self.used(unit)
                if amount and limit is not None and used + amount > limit:
                    return unit, int(used), limit
            for unit, amount in wanted.items():
                if amount:
                    self._connection.execute(
                        "INSERT INTO used (key, unit, amount) VALUES (?, ?, ?)", (key, unit, amount)
                    )
        return None

    def new_session(self) -> int:
        """A row for the seconds of this process."""
        with self._lock:
            row = self._connection.execute("INSERT INTO used (key, unit, amount) VALUES ('process', 'seconds', 0)")
            assert row.lastrowid is not None
            return row.lastrowid

    def set_session(self, number: int, seconds: float) -> None:
        """The seconds of this process so far."""
        with self._lock:
            self._connection.execute("UPDATE used SET amount = ? WHERE number = ?", (seconds, number))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _put(self, kind: str, key: str, content: str, model: type[M]) -> M:
        return model.model_validate_json(self.put_text(kind, key, content))

    def _contents(self, kind: str) -> list[str]:
        with self._lock:
            rows = self._connection.execute("SELECT content FROM entries WHERE kind = ? ORDER BY number", (kind,))
            return [str(row[0]) for row in rows.fetchall()]


def now() -> datetime:
    """The time of an entry."""
    return datetime.now(UTC)
