"""Keys come from the environment and go to the server they are for: nowhere else."""

from __future__ import annotations

import asyncio
import copy
import logging
import pickle
import sqlite3
import traceback
from pathlib import Path
from typing import Any

import pytest

from autointerp.errors import LLMError, RequestError
from autointerp.llm import Capability, Reply, Request, open_llms, user
from tests.llm.formats import Said
from tests.llm.running import HASTY, awaited
from tests.llm.wire import Wire, Wrong

KEY = "sk-5up3r-s3cret-key-0123456789"
VARIABLE = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}
URL = {"openai": "OPENAI_BASE_URL", "anthropic": "ANTHROPIC_BASE_URL"}


def everything_in(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@awaited
async def test_nothing_that_a_run_writes_or_says_has_the_key(
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv(VARIABLE[kind], KEY)
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    # A server that repeats the key wherever it can.
    with Wire(lambda body: Said(f"your key is {KEY}", refusal=KEY if "refuse" in str(body) else ""), key=KEY) as wire:
        monkeypatch.setenv(URL[kind], wire.openai if kind == "openai" else wire.anthropic)
        wrongs = {
            2: Wrong(500, message=KEY),
            3: Wrong(429, after="0.001", message=KEY),
            4: Wrong(400, message=f"no, {KEY}"),
        }
        wire.wrong = lambda number, prompt: wrongs.get(number)
        llms = open_llms({"judge": f"{kind}:m"}, cache=tmp_path / "llm.sqlite", patience=HASTY, listener=said.append)
        async with llms:
            judge = llms["judge"]
            requests = [Request((user(f"question {i}"),)) for i in range(6)] + [Request((user("refuse"),))]
            found: list[Any] = [await outcome(judge.ask(request)) for request in requests]
            found += await judge.ask_all([Request((user(f"item {i}"),)) for i in range(3)], batch=True, poll=0.01)
            await judge.supports(Capability.LOGPROBS)
            for thing in (llms, judge, judge.line, judge.line.provider, judge.desk, judge.line.able):
                assert KEY not in repr(thing)
        assert len([reply for reply in found if isinstance(reply, Reply)]) == 8
        assert KEY in wire.headers[0].get("authorization", "") + wire.headers[0].get("x-api-key", "")
    for error in (e for e in found if isinstance(e, LLMError)):
        shown = "".join(traceback.format_exception(error)) + repr(error) + repr(error.__dict__)
        assert KEY not in shown
        assert error.__cause__ is None
        assert KEY.encode() not in pickle.dumps(copy.copy(error))
    for reply in (r for r in found if isinstance(r, Reply)):
        assert KEY not in repr(reply)
        assert "your key is [key]" in reply.text
    assert KEY.encode() not in everything_in(tmp_path)
    assert sqlite3.connect(tmp_path / "llm.sqlite").execute("SELECT count(*) FROM answers").fetchone() > (8,)
    assert all(KEY not in text for text in said)
    assert KEY not in caplog.text
    assert KEY not in "".join(capfd.readouterr())


async def outcome(asking: Any) -> Any:
    try:
        return await asking
    except LLMError as error:
        return error


@awaited
async def test_a_wrong_key_is_said_without_saying_it(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE[kind], KEY)
    with Wire(key="another") as wire:
        monkeypatch.setenv(URL[kind], wire.openai if kind == "openai" else wire.anthropic)
        async with open_llms({"judge": f"{kind}:m"}) as llms:
            with pytest.raises(
                RequestError, match=r"401: Incorrect API key provided: \[key\]\): check the key"
            ) as error:
                await llms["judge"].ask(Request((user("hello"),)))
    assert KEY not in str(error.value)


@awaited
async def test_a_server_of_ones_own_gets_its_own_key_and_no_other(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE[kind], KEY)
    with Wire() as wire:
        for expected in ("none", "mine"):
            async with open_llms({"judge": wire.address(kind)}) as llms:
                await llms["judge"].ask(Request((user(f"hello {expected}"),)))
            sent = wire.headers[-1].get("authorization", "") + wire.headers[-1].get("x-api-key", "")
            assert sent.endswith(expected)
            monkeypatch.setenv("AUTOINTERP_LLM_KEY", "mine")
        assert all(KEY not in str(headers) for headers in wire.headers)


def test_closing_leaves_nothing_open(kind: str, recwarn: pytest.WarningsRecorder) -> None:
    async def whole() -> None:
        with Wire() as wire:
            async with open_llms({"judge": wire.address(kind)}) as llms:
                await llms["judge"].ask(Request((user("hello"),)))

    asyncio.run(whole())
    assert [str(w.message) for w in recwarn if issubclass(w.category, ResourceWarning)] == []
