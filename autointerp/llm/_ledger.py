"""What was spent, and a limit that no request may pass.

Before a request is sent its worst case is reserved. When the answer is there, the reservation becomes what it cost. Where an
attempt was sent and its answer got lost, the provider may have billed it: its worst case stays reserved for good, as `lost`,
and the next attempt reserves again. So the limit holds whatever happens on the way, and for all processes of a run together.
"""

from __future__ import annotations

import re
import time
from dataclasses import astuple, dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal

from autointerp.errors import BudgetError, InputError
from autointerp.llm._answer import Usage
from autointerp.llm._capabilities import Notices
from autointerp.llm._database import Database, is_alive, owner
from autointerp.llm._prices import PER_DOLLAR, Price

#: `batched` is reserved for a batch, which may take a day: nobody waits for it.
State = Literal["reserved", "batched", "spent", "lost"]
_PART = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<factor>[kKM]?)\s*(?P<unit>usd|\$|tokens?)", re.IGNORECASE)
_FACTORS = {"": 1, "k": 1_000, "m": 1_000_000}


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits of a run: picodollars, tokens (sent and received together), or both. None is no limit."""

    picodollars: int | None = None
    tokens: int | None = None

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read `20usd`, `0.5usd`, `2Mtokens`, or several of them with commas between.

        Raises InputError where it is something else.
        """
        dollars: int | None = None
        tokens: int | None = None
        for part in text.split(","):
            match = _PART.fullmatch(part.strip())
            if match is None:
                raise InputError(f"{part.strip()!r} is no budget: write 20usd, 500ktokens, or both with a comma")
            try:
                amount = Decimal(match["number"]) * _FACTORS[match["factor"].lower()]
            except InvalidOperation as error:
                raise InputError(f"{part.strip()!r} is no budget") from error
            if match["unit"].lower().startswith("token"):
                tokens = int(amount)
            else:
                dollars = int(amount * PER_DOLLAR)
        return cls(dollars, tokens)


@dataclass(frozen=True, slots=True)
class Spending:
    """Sums over requests. `dollars` counts those whose price is known; `unpriced` says how many are not among them."""

    requests: int = 0
    tokens: int = 0
    picodollars: int = 0
    unpriced: int = 0

    @property
    def dollars(self) -> float:
        """The amount as a number for people; sums are kept in whole picodollars."""
        return self.picodollars / PER_DOLLAR


@dataclass(frozen=True, slots=True)
class Purpose:
    """Whom and what a request is for: what the ledger notes down beside its cost."""

    role: str
    address: str
    key: str
    template: str


@dataclass(frozen=True, slots=True)
class Worst:
    """The most that a request can use: tokens sent, tokens received."""

    prompt: int
    output: int


class Ledger:
    """The spending of one run, in the tables of a database; a run that is opened again goes on with it."""

    def __init__(self, database: Database, run: str, budget: Budget, notices: Notices) -> None:
        self.database, self.run, self.budget = database, run, budget
        self.hits = 0
        self._notices = notices
        self._bury_the_dead()

    def reserve(
        self, purpose: Purpose, worst: Worst, price: Price | None, *, else_wait: bool = False, batched: bool = False
    ) -> int | None:
        """Set the worst case of a request aside; returns the number of the reservation.

        With `else_wait`, None where it would fit if all that is reserved came to nothing: it may fit in a moment.
        Raises BudgetError where it would pass the limit, or where a limit in dollars meets a model of unknown price.
        """
        if price is None:
            self._say_unpriced(purpose.address)
        dollars = 0 if price is None else price.worst(worst.prompt, worst.output)
        tokens = worst.prompt + worst.output
        state: State = "batched" if batched else "reserved"
        with self.database.transaction():
            if not self._fits(tokens, dollars, with_reserved=True):
                if not else_wait or not self._fits(tokens, dollars, with_reserved=False):
                    raise self._too_much(purpose, tokens, dollars)
                self._bury_the_dead()
                return None
            row = self.database.write(
                "INSERT INTO spending (run, owner, role, address, key, template, state, at, input, cache_read, cache_write,"
                " output, picodollars, priced) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?, ?, ?)",
                *(self.run, owner(), purpose.role, purpose.address, purpose.key, purpose.template, state, time.time()),
                *(worst.prompt, worst.output, dollars, price is not None),
            )
            if batched:
                self._add(state, 1, tokens, dollars)
            assert row.lastrowid is not None
            return row.lastrowid

    def settle(self, reservation: int, usage: Usage | None, price: Price | None) -> int | None:
        """Turn a reservation into what the answer cost, in picodollars; its worst case where the server gave no count.

        Returns None where the reservation is settled already: what was counted once is not counted again.
        """
        amounts: tuple[int | None, ...] = (None,) * 5
        if usage is not None:
            cost = None if price is None else price.of(usage)
            amounts = (usage.input, usage.cache_read, usage.cache_write, usage.output, cost)
        return self._move(reservation, "spent", amounts)

    def lose(self, reservation: int) -> None:
        """The attempt may have been billed and brought nothing: its worst case counts from now on."""
        self._move(reservation, "lost", (None,) * 5)

    def release(self, reservation: int) -> None:
        """Nothing was billed."""
        with self.database.transaction():
            self._unbatch(reservation)
            self.database.write("DELETE FROM spending WHERE id = ? AND state IN ('reserved', 'batched')", reservation)

    def spent(self, role: str | None = None) -> Spending:
        """What answers cost, as the servers counted it; of one role, or of all."""
        return self._sum("spent", role)

    def lost(self) -> Spending:
        """The worst case of all attempts whose answer got lost: the provider may have billed up to that."""
        return self._sum("lost")

    def reserved(self) -> Spending:
        """The worst case of what is under way, batches included."""
        live, batched = self._sum("reserved"), self._sum("batched")
        return Spending(*(a + b for a, b in zip(astuple(live), astuple(batched), strict=True)))

    def templates(self) -> list[tuple[str, int]]:
        """The prompt templates that were paid for, with the number of requests: what a record names."""
        return [
            (str(name), int(count))
            for name, count in self.database.read(
                "SELECT template, count(*) FROM spending WHERE run = ? AND state = 'spent' AND template <> ''"
                " GROUP BY template ORDER BY template",
                self.run,
            )
        ]

    def _sum(self, state: State, role: str | None = None) -> Spending:
        row = self.database.read(
            "SELECT count(*), coalesce(sum(input + cache_read + cache_write + output), 0), coalesce(sum(picodollars), 0),"
            " coalesce(sum(1 - priced), 0) FROM spending WHERE run = ? AND state = ? AND (? IS NULL OR role = ?)",
            *(self.run, state, role, role),
        )[0]
        return Spending(*map(int, row))

    def _used(self, *, with_reserved: bool) -> tuple[int, int]:
        # What is reserved one by one is never much, and summed up when it matters; the rest is kept as sums.
        query = "SELECT coalesce(sum(tokens), 0), coalesce(sum(picodollars), 0) FROM totals WHERE run = ?"
        tokens, dollars = map(int, self.database.read(query, self.run)[0])
        if with_reserved:
            query = "SELECT coalesce(sum(input + output), 0), coalesce(sum(picodollars), 0) FROM spending"
            live = self.database.read(f"{query} WHERE run = ? AND state = 'reserved'", self.run)[0]
            tokens, dollars = tokens + int(live[0]), dollars + int(live[1])
        return tokens, dollars

    def _fits(self, tokens: int, dollars: int, *, with_reserved: bool) -> bool:
        limit = self.budget
        if limit == Budget():
            return True
        used_tokens, used_dollars = self._used(with_reserved=with_reserved)
        return (limit.tokens is None or used_tokens + tokens <= limit.tokens) and (
            limit.picodollars is None or used_dollars + dollars <= limit.picodollars
        )

    def _too_much(self, purpose: Purpose, tokens: int, dollars: int) -> BudgetError:
        used_tokens, used_dollars = self._used(with_reserved=True)
        limit = self.budget
        if limit.tokens is not None and used_tokens + tokens > limit.tokens:
            more, most, used = f"{tokens:,} tokens", f"{limit.tokens:,}", f"{used_tokens:,}"
        else:
            more, most, used = f"${_money(dollars)}", f"${_money(limit.picodollars or 0)}", f"${_money(used_dollars)}"
        return BudgetError(
            f"{purpose.address} not asked: up to {more} more would pass the limit of {most}, of which {used} are used or"
            " reserved: raise the budget or ask for shorter answers"
        )

    def _say_unpriced(self, address: str) -> None:
        if self.budget.picodollars is not None:
            raise BudgetError(
                f"no price is known for {address}, so that a limit in dollars cannot be kept: add one with --prices, or give"
                " the budget in tokens"
            )
        self._notices.say(
            f"{address} price", f"no price is known for {address}: its tokens are counted, its dollars are not"
        )

    def _move(self, reservation: int, state: State, amounts: tuple[int | None, ...]) -> int | None:
        """Give a reservation its final state, and amounts in place of its worst case; the picodollars of it, if it was one."""
        with self.database.transaction():
            self._unbatch(reservation)
            rows = self.database.write(
                "UPDATE spending SET state = ?, at = ?, input = coalesce(?, input), cache_read = coalesce(?, cache_read),"
                " cache_write = coalesce(?, cache_write), output = coalesce(?, output),"
                " picodollars = coalesce(?, picodollars) WHERE id = ? AND state IN ('reserved', 'batched')"
                " RETURNING run, input + cache_read + cache_write + output, picodollars",
                *(state, time.time(), *amounts, reservation),
            ).fetchall()
            if not rows:
                return None
            run, tokens, dollars = rows[0]
            self._add(state, 1, int(tokens), int(dollars), str(run))
            return int(dollars)

    def _unbatch(self, reservation: int) -> None:
        """Take a reservation out of the sum of those that batches hold."""
        for run, tokens, dollars in self.database.read(
            "SELECT run, input + output, picodollars FROM spending WHERE id = ? AND state = 'batched'", reservation
        ):
            self._add("batched", -1, -int(tokens), -int(dollars), str(run))

    def _add(self, state: State, requests: int, tokens: int, dollars: int, run: str | None = None) -> None:
        self.database.write(
            "INSERT INTO totals VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET requests = requests + excluded.requests,"
            " tokens = tokens + excluded.tokens, picodollars = picodollars + excluded.picodollars",
            *(self.run if run is None else run, state, requests, tokens, dollars),
        )

    def _bury_the_dead(self) -> None:
        """What a process of this run had under way when it was killed may have been billed."""
        with self.database.transaction():
            rows = self.database.read("SELECT id, owner FROM spending WHERE run = ? AND state = 'reserved'", self.run)
            for reservation, name in rows:
                if not is_alive(name):
                    self.lose(reservation)


def _money(picodollars: int) -> str:
    return f"{picodollars / PER_DOLLAR:.6f}".rstrip("0").rstrip(".") or "0"
