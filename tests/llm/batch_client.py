"""What a process does that is killed and started again until all requests have their answers."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Loaded before the processes are forked, which makes their start quick.
import aiohttp  # noqa: F401
import anthropic  # noqa: F401
import openai  # noqa: F401

from autointerp.llm import Reply, Request, open_llms, user
from autointerp.llm._database import Database
from autointerp.llm._sdk import Connection
from tests.llm.running import HASTY

RUN = "killed"


def questions(count: int) -> list[Request[str]]:
    return [Request((user(f"question {i}"),), max_tokens=64) for i in range(count)]


def work(address: str, cache: Path, out: Path, count: int, crash_at: int | None = None) -> None:
    """Ask in a batch; with `crash_at`, die at that step, where a write to the tables and an answer of the server are steps."""
    if crash_at is not None:
        _crash_at(crash_at)

    async def whole() -> None:
        async with open_llms(
            {"judge": address}, cache=cache, run=RUN, patience=HASTY, listener=lambda text: None
        ) as llms:
            replies = await llms["judge"].ask_all(questions(count), batch=True, poll=0.02)
        out.write_text(json.dumps([reply.text if isinstance(reply, Reply) else repr(reply) for reply in replies]))

    asyncio.run(whole())


def _crash_at(step: int) -> None:
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        if done == step:
            os._exit(9)

    def written(self: Database, statement: str, *values: Any) -> Any:
        count()
        return write(self, statement, *values)

    async def answered(self: Connection, send: Callable[[], Any]) -> Any:
        received = await call(self, send)
        count()
        return received

    write, call = Database.write, Connection.call
    Database.write, Connection.call = written, answered  # type: ignore[method-assign, assignment]
