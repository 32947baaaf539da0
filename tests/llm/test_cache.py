"""Answers are kept, for all processes, and a replay has nothing else."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sqlite3
import stat
from pathlib import Path

import pytest
from pydantic import BaseModel

from autointerp.errors import CacheError, OutputError, RefusalError, ReplayError
from autointerp.llm import Capability, Request, open_llms, user, with_sample
from autointerp.llm._answer import Answer, Usage
from autointerp.llm._answers import Answers
from autointerp.llm._database import Database
from tests.llm.formats import Said
from tests.llm.running import HASTY, awaited
from tests.llm.wire import Wire, Wrong

HELLO = Request((user("hello"),))


class Number(BaseModel):
    number: int


@awaited
async def test_what_was_answered_is_not_asked_again(wire: Wire, kind: str, tmp_path: Path) -> None:
    cache = tmp_path / "deep" / "llm.sqlite"
    for _ in range(2):
        async with open_llms({"judge": wire.address(kind)}, cache=cache, listener=lambda text: None) as llms:
            first = await llms["judge"].ask(HELLO)
            assert first.text == "echo: hello"
    assert wire.tally.requests == 1
    assert first.cached
    assert (first.usage.tokens, first.dollars) == (0, 0)


@awaited
async def test_tasks_that_ask_the_same_ask_once(wire: Wire, kind: str) -> None:
    wire.latency = 0.05
    async with open_llms(
        {"judge": wire.address(kind), "simulator": wire.address(kind)}, listener=lambda text: None
    ) as llms:
        replies = await asyncio.gather(*(llms[role].ask(HELLO) for role in ("judge", "simulator") for _ in range(10)))
        assert wire.tally.requests == 1
        assert sum(not reply.cached for reply in replies) == 1
        assert llms.ledger.spent().requests == 1


@awaited
async def test_a_failure_of_the_first_is_not_one_of_the_others(wire: Wire) -> None:
    wire.wrong = lambda number, prompt: Wrong(400) if number == 0 else None
    async with open_llms({"judge": wire.address("openai")}, patience=HASTY) as llms:
        replies = await llms["judge"].ask_all([HELLO] * 3)
    assert sum(hasattr(reply, "text") for reply in replies) == 2
    assert wire.tally.requests == 2


@awaited
async def test_another_draw_is_another_answer(wire: Wire, kind: str) -> None:
    async with open_llms({"judge": wire.address(kind)}) as llms:
        await llms["judge"].ask_all([with_sample(HELLO, i) for i in range(3)])
    assert wire.tally.requests == 3
    assert len({str(body) for body in wire.bodies}) == 1


@awaited
async def test_a_replay_needs_neither_network_nor_key(wire: Wire, kind: str, tmp_path: Path) -> None:
    cache = tmp_path / "llm.sqlite"
    answers = iter(["no number", '{"number": 3}', "plain"])
    wire.brain = lambda body: Said(next(answers))
    ask = Request((user("a number"),), output=Number)
    address = wire.address(kind)
    async with open_llms({"judge": address}, cache=cache) as llms:
        assert (await llms["judge"].ask(ask)).repairs == 1
        logprobs = await llms["judge"].supports(Capability.LOGPROBS)
    wire.wrong = lambda number, prompt: Wrong(500)
    before = wire.tally.requests
    async with open_llms({"judge": address}, cache=cache, replay=True) as llms:
        reply = await llms["judge"].ask(ask)
        assert reply.value == Number(number=3)
        assert reply.repairs == 1
        assert reply.dollars == 0
        assert await llms["judge"].supports(Capability.LOGPROBS) is logprobs
        with pytest.raises(ReplayError, match=r"no answer .* request [0-9a-f]{12} \(t@1#a\): run it without --replay"):
            await llms["judge"].ask(Request((user("another"),), template="t@1#a"))
        with pytest.raises(ReplayError, match="not in the cache"):
            await llms["judge"].supports(Capability.TOOL_CHOICE if kind == "openai" else Capability.EFFORT)
    assert wire.tally.requests == before


@awaited
async def test_a_replay_repeats_failures_and_batches(wire: Wire, kind: str, tmp_path: Path) -> None:
    cache = tmp_path / "llm.sqlite"
    wire.brain = lambda body: Said(refusal="no") if "2" in str(body["messages"][-1]) else Said("yes")
    requests = [Request((user(f"number {i}"),)) for i in range(4)]
    for replay in (False, True):
        async with open_llms(
            {"judge": wire.address(kind)}, cache=cache, replay=replay, listener=lambda text: None
        ) as llms:
            replies = await llms["judge"].ask_all(requests, batch=True, poll=0.01)
            assert [isinstance(reply, RefusalError) for reply in replies] == [False, False, True, False]
    assert wire.tally.requests == 0


def test_a_replay_without_a_cache_says_so(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match="no cache of answers"):
        open_llms({"judge": "openai:m"}, cache=tmp_path / "absent.sqlite", replay=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_replay_reads_what_cannot_be_written(tmp_path: Path) -> None:
    database = Database(tmp_path / "llm.sqlite")
    Answers(database).put("k", "openai:m", "{}", Answer(stop="end", text="kept"))
    database.close()
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        found = Answers(Database(tmp_path / "llm.sqlite", read_only=True)).find("k")
    finally:
        tmp_path.chmod(stat.S_IRWXU)
    assert found is not None
    assert found.text == "kept"


def test_files_that_are_no_cache(tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite"
    other.write_bytes(b"not a database, but long enough to be taken for one" * 50)
    with pytest.raises(CacheError, match="is no cache of answers"):
        Database(other)
    version = tmp_path / "version.sqlite"
    connection = sqlite3.connect(version)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(CacheError, match="version 99, this is version 1"):
        Database(version)
    foreign = tmp_path / "foreign.sqlite"
    connection = sqlite3.connect(foreign)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    with pytest.raises(CacheError, match="version 0"):
        Database(foreign)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be made"):
        Database(tmp_path / "file" / "llm.sqlite")
    with pytest.raises(OutputError, match="cannot be written"):
        Database(tmp_path)


def test_a_damaged_row_is_not_taken_for_an_answer() -> None:
    database = Database()
    database.write("INSERT INTO answers VALUES ('k', 'a', 0, '{}', '{\"stop\": \"perhaps\"}')")
    with pytest.raises(CacheError, match="is damaged"):
        Answers(database).find("k")


def _put(path: Path, process: int) -> int:
    answers = Answers(Database(path))
    mine = 0
    for i in range(200):
        key = f"key {(i * 7 + process * 13) % 150}"
        if answers.find(key) is None:
            usage = Usage(input=process, output=i)
            with answers.database.transaction():
                answers.put(key, "openai:m", "{}", Answer(stop="end", text=f"from {process}", usage=usage))
        found = answers.find(key)
        assert found is not None
        mine += found.text == f"from {process}"
    return mine


def test_many_processes_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "llm.sqlite"
    with multiprocessing.get_context("forkserver").Pool(4) as pool:
        mine = pool.starmap(_put, [(path, process) for process in range(4)])
    database = Database(path)
    assert database.read("PRAGMA integrity_check") == [("ok",)]
    assert database.read("SELECT count(*) FROM answers") == [(150,)]
    assert sum(count > 0 for count in mine) >= 1
    answers = Answers(database)
    assert all(answers.find(f"key {i}") is not None for i in range(150))


def test_the_first_answer_stays() -> None:
    answers = Answers(Database())
    for text in ("first", "second"):
        answers.put("k", "openai:m", "{}", Answer(stop="end", text=text))
    found = answers.find("k")
    assert found is not None
    assert found.text == "first"
