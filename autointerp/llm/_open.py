"""Opening models: addresses in, models out, with everything that they share."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType

from autointerp._plugins import load_one, plugin_names
from autointerp.errors import AddressError
from autointerp.llm._address import Address, server
from autointerp.llm._answers import Answers
from autointerp.llm._capabilities import Capabilities, Notices, declared
from autointerp.llm._database import MEMORY, Database
from autointerp.llm._ledger import Budget, Ledger
from autointerp.llm._limiter import Limiter
from autointerp.llm._line import Line, Patience
from autointerp.llm._model import LLM, Desk
from autointerp.llm._prices import Prices
from autointerp.llm._provider import Provider

GROUP = "autointerp.providers"


class LLMs(Mapping[str, LLM]):
    """The models of a run by role, with their ledger. An asynchronous context manager: leaving it closes connections."""

    def __init__(
        self, models: Mapping[str, LLM], desk: Desk, lines: dict[str, Line], databases: tuple[Database, ...]
    ) -> None:
        self.desk = desk
        self._models, self._lines, self._databases = dict(models), lines, databases

    def __getitem__(self, role: str) -> LLM:
        return self._models[role]

    def __iter__(self) -> Iterator[str]:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)

    @property
    def ledger(self) -> Ledger:
        """What the run has spent."""
        return self.desk.ledger

    async def aclose(self) -> None:
        """Close connections and files."""
        for line in self._lines.values():
            await line.provider.aclose()
        self._lines.clear()
        for database in self._databases:
            database.close()

    async def __aenter__(self) -> LLMs:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def open_llms(
    roles: Mapping[str, str],
    *,
    cache: Path | None = None,
    run: str | None = None,
    budget: Budget | None = None,
    replay: bool = False,
    prices: Path | None = None,
    concurrency: int = 64,
    timeout: float = 600.0,
    patience: Patience | None = None,
    listener: Callable[[str], None] | None = None,
    providers: Mapping[str, type[Provider]] | None = None,
) -> LLMs:
    """Open a model for every role, from addresses such as `openai:NAME` or `openai:NAME@http://127.0.0.1:11434/v1`.

    Roles of one address share its connections and its limiter. Nothing is sent yet.

    Parameters
    ----------
    cache: file of the answers, made where there is none; None keeps them in memory.
    run: name of the run whose spending is continued; None begins a new one.
    budget: the limits of the run.
    replay: answer from `cache` alone, with no network and no key; the first request that it does not have raises.
    prices: file of prices that are read over those of the package.
    concurrency: the most requests that may be under way to one model.
    timeout: seconds that one attempt may take.
    listener: is told what is said once, instead of the log: what a model cannot do, which price is unknown.
    providers: kinds of provider by name, used before those that are registered.

    Raises
    ------
    AddressError: an address of the wrong form, an unknown provider, or a key that is not in the environment.
    CacheError, OutputError: `cache` is no cache, or cannot be written.
    """
    addresses = {role: Address.parse(text) for role, text in roles.items()}
    kinds = {a.provider: (providers or {}).get(a.provider) or _provider(a) for a in addresses.values()}
    if not replay:
        for address in addresses.values():
            if (missing := kinds[address.provider].key_missing(address)) is not None:
                raise AddressError(f"{address} needs a key in the environment: set {missing}")
    table = Prices.load(prices)
    notices = Notices(listener)
    database = Database(cache or MEMORY, read_only=replay and cache is not None)
    # A replay reads the answers and spends nothing, so that its ledger need not outlive it.
    books = Database() if replay else database
    ledger = Ledger(books, run or uuid.uuid4().hex, budget or Budget(), notices)
    desk = Desk(Answers(database), ledger, table, notices, replay, concurrency)
    return _assemble(addresses, kinds, desk, (database, books), timeout, patience or Patience())


def _assemble(
    addresses: Mapping[str, Address],
    kinds: Mapping[str, type[Provider]],
    desk: Desk,
    databases: tuple[Database, ...],
    timeout: float,
    patience: Patience,
) -> LLMs:
    """Put models together from their parts; lines are made when they are first used."""
    lines: dict[str, Line] = {}

    def line_of(address: Address, endpoint: str | None, identity: str) -> Line:
        if identity not in lines:
            known = declared(address, endpoint) | desk.answers.capabilities(identity)
            able = Capabilities(address, known, desk.notices, lambda c, yes: desk.answers.remember(identity, c, yes))
            pauses = {"first_pause": 2 * patience.first_wait, "longest_pause": 2 * patience.longest_wait}
            limiter = Limiter(desk.concurrency, **pauses)
            lines[identity] = Line(address, kinds[address.provider](address, timeout), able, limiter, patience)
        return lines[identity]

    models: dict[str, LLM] = {}
    for role, address in addresses.items():
        named = kinds[address.provider].endpoint(address)
        endpoint = server(named) if named else None
        identity = f"{address.provider}:{address.model}" + (f"@{endpoint}" if endpoint else "")
        models[role] = LLM(
            role,
            address,
            identity,
            desk,
            lambda a=address, e=endpoint, i=identity: line_of(a, e, i),  # type: ignore[misc]
        )
    return LLMs(models, desk, lines, databases)


def _provider(address: Address) -> type[Provider]:
    if address.provider not in plugin_names(GROUP):
        raise AddressError(
            f"there is no provider {address.provider!r}: there are {', '.join(plugin_names(GROUP))}; any server that speaks"
            " Chat Completions is openai:MODEL@http://HOST:PORT/v1"
        )
    kind: type[Provider] = load_one(GROUP, address.provider)
    return kind
