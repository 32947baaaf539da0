"""Five hundred requests to a server that fails one in five: none lost, none doubled, and the books agree."""

from __future__ import annotations

from pathlib import Path

import pytest

from autointerp.llm import Reply, Request, open_llms, user
from tests.llm.running import HASTY, awaited
from tests.llm.wire import Wire, Wrong, some_wrong

CLEAN = [Wrong(429, after="0.002"), Wrong(500), Wrong(529, after="0.002"), Wrong(503)]
MESSY = [Wrong(cut_body=True), Wrong(broken_json=True)]
HANGS = {60, 61, 62}
COUNT = 500


@pytest.mark.parametrize("once", [False, True], ids=["every attempt is work", "work is done once"])
@awaited
async def test_none_is_lost_and_none_is_doubled(kind: str, once: bool, tmp_path: Path) -> None:
    requests = [Request((user(f"question {i}"),), max_tokens=64) for i in range(COUNT)]
    cache = tmp_path / "llm.sqlite"
    often = some_wrong(0.2, 11, [*CLEAN, *MESSY])
    with Wire(
        wrong=lambda number, prompt: Wrong(hang=True) if number in HANGS else often(number, prompt), once=once
    ) as wire:
        settings = {"cache": cache, "run": "storm", "patience": HASTY, "timeout": 5.0, "listener": lambda text: None}
        async with open_llms({"judge": wire.address(kind)}, **settings) as llms:  # type: ignore[arg-type]
            replies = await llms["judge"].ask_all(requests)
            spent, lost = llms.ledger.spent(), llms.ledger.lost()
            rows = llms.desk.answers.database.read("SELECT count(*), count(DISTINCT key) FROM answers")
        assert [reply.text if isinstance(reply, Reply) else reply for reply in replies] == [
            f"echo: question {i}" for i in range(COUNT)
        ]
        assert rows == [(COUNT, COUNT)]
        assert len(wire.tally.delivered) == len({prompt for prompt, _ in wire.tally.delivered}) == COUNT
        assert (spent.requests, spent.tokens) == (COUNT, wire.tally.tokens)
        assert wire.tally.requests > COUNT * 1.1
        # What was worked on and not delivered is bounded by what the ledger holds back for it.
        assert lost.requests > 0
        assert lost.tokens >= wire.tally.worked_tokens - wire.tally.tokens
        if once:
            assert len(wire.tally.worked) == COUNT
            assert max(wire.keys.values()) > 1
        before = wire.tally.requests
        async with open_llms({"judge": wire.address(kind)}, **settings) as llms:  # type: ignore[arg-type]
            again = await llms["judge"].ask_all(requests)
            assert (llms.ledger.spent(), llms.ledger.lost()) == (spent, lost)
        assert all(isinstance(reply, Reply) and reply.cached for reply in again)
        assert wire.tally.requests == before
