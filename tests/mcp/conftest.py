"""Servers on the tiny model, and clients that talk to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

# Before anything imports the library `mcp`: nnsight may be there already (see the module `_anyio`).
from autointerp.mcp import Desk, Settings, _opening, build_server

if TYPE_CHECKING:
    from mcp import Client

    from autointerp.study import Laboratory

Session = Callable[..., Any]
Conversation = Callable[["Client"], Awaitable[None]]


@pytest.fixture(scope="session")
def settings(model_folder: Path, dictionary_folder: Path, corpus_file: Path) -> Settings:
    return Settings(str(model_folder), f"file:{dictionary_folder}", str(corpus_file), tokens=10_000)


@pytest.fixture(scope="session")
def opened() -> dict[str, Laboratory]:
    """What servers of this process have opened, by what they were asked for."""
    return {}


@pytest.fixture(autouse=True)
def _opened_once(opened: dict[str, Laboratory], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the servers of all tests share a laboratory; those in processes of their own open one as they always do."""
    real = _opening.open_laboratory

    def remembered(*, progress: Any, **asked: Any) -> Laboratory:
        key = repr(sorted(asked.items()))
        if key not in opened:
            opened[key] = real(progress=progress, **asked)
        return opened[key]

    monkeypatch.setattr(_opening, "open_laboratory", remembered)


@asynccontextmanager
async def served(settings: Settings, **options: Any) -> AsyncIterator[Client]:
    from mcp import Client

    async with Desk(settings) as desk, Client(build_server(desk), **options) as client:
        yield client


@pytest.fixture
def converse(settings: Settings) -> Callable[..., None]:
    """Hold a conversation with a server in this process; it may have other settings, and the client options."""

    def held(conversation: Conversation, other: Settings | None = None, **options: Any) -> None:
        async def main() -> None:
            async with served(other or settings, **options) as client:
                await conversation(client)

        asyncio.run(main())

    return held
