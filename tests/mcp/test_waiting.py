"""Long work goes on beside the server: it answers meanwhile, and says how far it is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from autointerp.mcp import Settings, _opening
from tests.mcp.talking import FEATURE, asked, refused


def test_the_server_answers_while_it_explains(converse: Callable[..., None]) -> None:
    async def ask(client: Any) -> None:
        told: list[tuple[float, str | None]] = []

        async def progress(done: float, total: float | None, message: str | None) -> None:
            del total
            told.append((done, message))

        await asked(client, "list_features")
        began = time.monotonic()
        run = (await client.call_tool("explain_start", {"feature": FEATURE})).structured_content["run"]
        assert time.monotonic() - began < 1.0
        waiting = asyncio.create_task(
            client.call_tool("explain_status", {"run": run, "wait_seconds": 45.0}, progress_callback=progress)
        )
        answered = 0
        while not waiting.done():
            began = time.monotonic()
            assert (await client.list_tools()).tools
            assert time.monotonic() - began < 5.0
            answered += 1
            await asyncio.sleep(0.05)
        assert answered > 3
        assert (await waiting).structured_content["state"] == "done"
        assert [done for done, _ in told] == sorted({done for done, _ in told})
        assert "scoring on held-out text" in {message for _, message in told}

    converse(ask)


def test_a_call_does_not_wait_longer_than_a_host_does(
    converse: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = _opening.open_laboratory

    def slow(*arguments: Any, **options: Any) -> Any:
        options["progress"]("reading the corpus", 1000, 10_000)
        time.sleep(2.0)
        return opened(*arguments, **options)

    def slower(**options: Any) -> Any:
        return slow(**options)

    monkeypatch.setattr(_opening, "open_laboratory", slower)
    monkeypatch.setattr(_opening, "PATIENCE", 0.3)

    async def ask(client: Any) -> None:
        assert "reading the corpus, 1,000 of 10,000" in await refused(client, "list_features")
        monkeypatch.setattr(_opening, "PATIENCE", 60.0)
        assert "64 features" in await asked(client, "list_features")

    converse(ask)


def test_a_server_that_ends_takes_its_work_with_it(converse: Callable[..., None], settings: Settings) -> None:
    async def start(client: Any) -> None:
        await asked(client, "list_features")
        for _ in range(3):
            await client.call_tool("explain_start", {"feature": FEATURE, "strategy": "investigate"})
        await asyncio.sleep(0.5)

    began = time.monotonic()
    converse(start)
    assert time.monotonic() - began < 60.0
