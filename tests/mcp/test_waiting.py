"""Long work goes on beside the server: it says how far it is, and ends with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from autointerp.mcp import Settings, _opening
from tests.mcp.talking import FEATURE, asked, refused


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
