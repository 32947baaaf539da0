"""Batches as the database remembers them: intended, submitted, closed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from autointerp.llm._database import Database, is_alive, owner
from autointerp.llm._ledger import Worst


@dataclass(frozen=True, slots=True)
class Item:
    """One request of a batch: its number there, its key, its reservation, and what the cache will show of it."""

    number: int
    key: str
    reservation: int
    content: str
    worst: Worst


@dataclass(frozen=True, slots=True)
class Open:
    """A batch that is not closed. `id` is the provider's, None until it is known; `created` is on the Unix clock."""

    token: str
    id: str | None
    items: int
    created: float
    owner: str


class BatchTable:
    """The tables `batches` and `batch_items`."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def intend(self, token: str, address: str, items: Sequence[Item]) -> None:
        """Write down a batch that is about to be submitted."""
        with self.database.transaction():
            self.database.write(
                "INSERT INTO batches VALUES (?, ?, ?, ?, ?, 'intended', NULL)",
                *(token, address, owner(), time.time(), len(items)),
            )
            for item in items:
                self.database.write(
                    "INSERT INTO batch_items VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
                    *(
                        token,
                        item.number,
                        item.key,
                        item.reservation,
                        item.content,
                        item.worst.prompt,
                        item.worst.output,
                    ),
                )

    def submitted(self, token: str, batch: str) -> None:
        """The provider has it, under that id."""
        self.database.write("UPDATE batches SET state = 'submitted', id = ? WHERE token = ?", batch, token)

    def done(self, token: str, number: int) -> None:
        """The item has its answer."""
        self.database.write("UPDATE batch_items SET done = 1 WHERE token = ? AND number = ?", token, number)

    def close(self, token: str) -> None:
        """Nothing more is expected of it."""
        with self.database.transaction():
            self.database.write("UPDATE batches SET state = 'closed' WHERE token = ?", token)
            self.database.write("DELETE FROM batch_items WHERE token = ?", token)

    def intended(self, address: str, ours: set[str]) -> list[Open]:
        """Batches of which nobody knows whether they were submitted: left behind by the dead, or not among `ours`."""
        found = self._batches(address, "intended")
        mine = owner()
        return [b for b in found if (b.token not in ours if b.owner == mine else not is_alive(b.owner))]

    def open(self, address: str) -> list[Open]:
        """Batches that the provider has."""
        return self._batches(address, "submitted")

    def ids(self, address: str) -> set[str]:
        """The provider's ids of all batches that are known."""
        rows = self.database.read("SELECT id FROM batches WHERE address = ? AND id IS NOT NULL", address)
        return {str(row[0]) for row in rows}

    def items(self, token: str) -> list[Item]:
        """The items that have no answer yet."""
        rows = self.database.read(
            "SELECT number, key, reservation, content, prompt, output FROM batch_items WHERE token = ? AND NOT done",
            token,
        )
        return [Item(int(n), str(k), int(r), str(c), Worst(int(p), int(o))) for n, k, r, c, p, o in rows]

    def keys_under_way(self, address: str) -> set[str]:
        """Keys that some batch will bring."""
        rows = self.database.read(
            "SELECT key FROM batch_items JOIN batches USING (token) WHERE address = ? AND NOT done", address
        )
        return {str(row[0]) for row in rows}

    def _batches(self, address: str, state: str) -> list[Open]:
        rows = self.database.read(
            "SELECT token, id, items, created, owner FROM batches WHERE address = ? AND state = ? ORDER BY created, token",
            *(address, state),
        )
        return [Open(str(t), None if i is None else str(i), int(n), float(c), str(o)) for t, i, n, c, o in rows]
