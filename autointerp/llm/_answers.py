"""Answers by the content of their requests."""

from __future__ import annotations

import time

from pydantic import ValidationError

from autointerp.errors import CacheError
from autointerp.llm._answer import Answer
from autointerp.llm._capabilities import Capability
from autointerp.llm._database import Database

_REMEMBERED_SECONDS = 30 * 86400.0


class Answers:
    """The cache. An answer that was stored stays: the first of several to one request is the one that counts."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def find(self, key: str) -> Answer | None:
        """The answer of that key. Raises CacheError where the row cannot be read."""
        rows = self.database.read("SELECT answer FROM answers WHERE key = ?", key)
        if not rows:
            return None
        try:
            return Answer.model_validate_json(rows[0][0])
        except ValidationError as error:
            raise CacheError(f"the answer {key[:12]} in {self.database.path} is damaged: delete the file") from error

    def put(self, key: str, address: str, content: str, answer: Answer) -> None:
        """Store an answer with its request, unless there is one."""
        self.database.write(
            "INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?)",
            *(key, address, time.time(), content, answer.model_dump_json()),
        )

    def capabilities(self, address: str, *, of_any_age: bool = False) -> dict[Capability, bool]:
        """What was learned about a model. Servers change: what is old is forgotten, but for a replay."""
        since = 0.0 if of_any_age else time.time() - _REMEMBERED_SECONDS
        rows = self.database.read(
            "SELECT capability, able FROM capabilities WHERE address = ? AND at > ?", address, since
        )
        names = set(Capability)
        return {Capability(name): bool(able) for name, able in rows if name in names}

    def remember(self, address: str, capability: Capability, able: bool) -> None:
        """Note down what was learned."""
        self.database.write(
            "INSERT OR REPLACE INTO capabilities VALUES (?, ?, ?, ?)", address, capability, able, time.time()
        )
