"""One SQLite file for answers, spending and batches, safe for many processes.

They share a file because they have to change together: an answer is stored in the transaction that counts its cost.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import uuid
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from autointerp.errors import CacheError, OutputError

#: Raised with every change of the tables.
VERSION: Final = 1
MEMORY: Final = ":memory:"
_BUSY_SECONDS = 60.0

_TABLES = """
CREATE TABLE answers (
    key TEXT PRIMARY KEY, address TEXT NOT NULL, created REAL NOT NULL, request TEXT NOT NULL, answer TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE spending (
    id INTEGER PRIMARY KEY, run TEXT NOT NULL, owner TEXT NOT NULL, role TEXT NOT NULL, address TEXT NOT NULL,
    key TEXT NOT NULL, template TEXT NOT NULL, state TEXT NOT NULL, at REAL NOT NULL,
    input INTEGER NOT NULL, cache_read INTEGER NOT NULL, cache_write INTEGER NOT NULL, output INTEGER NOT NULL,
    picodollars INTEGER NOT NULL, priced INTEGER NOT NULL
);
CREATE INDEX under_way ON spending (run) WHERE state = 'reserved';
CREATE TABLE totals (
    run TEXT NOT NULL, state TEXT NOT NULL, requests INTEGER NOT NULL, tokens INTEGER NOT NULL,
    picodollars INTEGER NOT NULL, PRIMARY KEY (run, state)
) WITHOUT ROWID;
CREATE TABLE capabilities (
    address TEXT NOT NULL, capability TEXT NOT NULL, able INTEGER NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (address, capability)
) WITHOUT ROWID;
CREATE TABLE batches (
    token TEXT PRIMARY KEY, address TEXT NOT NULL, owner TEXT NOT NULL, created REAL NOT NULL,
    items INTEGER NOT NULL, state TEXT NOT NULL, id TEXT
) WITHOUT ROWID;
CREATE TABLE batch_items (
    token TEXT NOT NULL, number INTEGER NOT NULL, key TEXT NOT NULL, reservation INTEGER NOT NULL,
    content TEXT NOT NULL, prompt INTEGER NOT NULL, output INTEGER NOT NULL, done INTEGER NOT NULL,
    PRIMARY KEY (token, number)
) WITHOUT ROWID;
CREATE INDEX batch_items_by_key ON batch_items (key);
"""


class Database:
    """A connection. Calls are short and made directly: a hand-over to another thread costs more than they do.

    Raises CacheError where the file is not one of ours or of another version, OutputError where it cannot be written.
    """

    def __init__(self, path: Path | str = MEMORY, *, read_only: bool = False) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            self._connection = _open_to_read(Path(path)) if read_only else _open(path)
        except sqlite3.OperationalError as error:
            if read_only:
                raise CacheError(f"{path} cannot be read ({error}): give the cache of a finished run") from error
            raise OutputError(f"{path} cannot be written ({error}): choose another place for the cache") from error
        except sqlite3.DatabaseError as error:
            raise CacheError(f"{path} is no cache of answers ({error}): delete it or name another file") from error
        # Closed with the last reference to this, whoever forgets to.
        weakref.finalize(self, self._connection.close)
        found = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if found != VERSION:
            self._connection.close()
            raise CacheError(
                f"{path} is a cache of version {found}, this is version {VERSION}: delete it or name another file"
            )

    def read(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def write(self, statement: str, *values: Any) -> sqlite3.Cursor:
        """One statement; by itself a transaction, unless inside of one."""
        with self._lock:
            return self._connection.execute(statement, values)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, and nobody else writes meanwhile. One within another is part of it."""
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

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()


def _open(path: Path | str) -> sqlite3.Connection:
    if path != MEMORY:
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{Path(path).parent} cannot be made ({error}): choose another place") from error
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    _become_wal(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("BEGIN IMMEDIATE")
    # Several processes may find the file empty at once: whoever gets the lock first fills it.
    if connection.execute("PRAGMA user_version").fetchone()[0] == 0 and not _has_tables(connection):
        for statement in _TABLES.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")
    return connection


def _become_wal(connection: sqlite3.Connection) -> None:
    # The change of the journal needs the file for itself, and does not wait for it as transactions do.
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _has_tables(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])


def _open_to_read(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise CacheError(f"there is no cache of answers at {path}: give the cache of a finished run")
    for mode in ("mode=ro", "immutable=1"):  # the second where the folder cannot be written either
        connection = sqlite3.connect(
            f"file:{quote(str(path.absolute()))}?{mode}",
            uri=True,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute("SELECT count(*) FROM sqlite_master")
            return connection
        except sqlite3.OperationalError:
            connection.close()
            if mode == "immutable=1":
                raise
    raise AssertionError


@cache
def _token_of(process: int) -> str:
    return f"{process}:{uuid.uuid4().hex}"


def owner() -> str:
    """The name of this process in the tables; a fork has another one."""
    return _token_of(os.getpid())


def is_alive(name: str) -> bool:
    """Whether the process of that name may still be running. One that reuses its number on this machine is taken for it."""
    process = int(name.partition(":")[0])
    if process == os.getpid():
        return name == owner()
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
