"""A run whose process is killed again and again: nothing is lost, and nothing is paid or measured twice."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autointerp.llm import Budget, Notices
from autointerp.llm._database import Database
from autointerp.llm._ledger import Ledger as Books
from autointerp.records import Ledger
from autointerp.study import RunFolder
from tests.agents import brain, killed
from tests.llm.formats import Said
from tests.llm.wire import Wire
from tests.scoring.known import SINGLE

#: Kills of an investigation, of which few are of a free use of tools. `AUTOINTERP_KILLS=50` takes some minutes.
KILLS = int(os.environ.get("AUTOINTERP_KILLS", "4"))
REPOSITORY = Path(__file__).resolve().parents[2]


def think(body: dict[str, Any]) -> Said:
    if len(body["messages"]) == 1:  # whether it can call tools at all
        tool = body["tools"][0]["function"]
        return Said(calls=((tool["name"], dict.fromkeys(tool["parameters"]["properties"], 1)),))
    told, question = (turn["content"] for turn in body["messages"][:2])
    if "You have tools" not in told:
        return Said(brain.answer(told, question))
    token, value = brain.best(question)
    made = brain.hypothesis("input", token, value)
    turn = sum(message["role"] == "assistant" for message in body["messages"])
    calls: list[tuple[str, dict[str, Any]]] = [
        ("activations_on", {"texts": [f"x{token}y", f"turn {turn}"]}),
        ("check_program", {"program": made["program"] + f"# {turn}\n", "fires_on": made["fires_on"]}),
    ]
    return Said(calls=tuple(calls) if turn < 5 else (("submit", made),))


class Work:
    """A server that does the same work once, and processes that investigate."""

    def __init__(self, wire: Wire, home: Path) -> None:
        self.wire = wire
        command = [sys.executable, "-m", "tests.agents.killed", str(home)]
        environment = {**os.environ, "AUTOINTERP_LLM_KEY": "none"}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY, env=environment
        )
        assert self._said() == "ready"

    def __enter__(self) -> Work:
        return self

    def __exit__(self, *_: object) -> None:
        with self.process:
            assert self.process.stdin is not None
            self.process.stdin.close()

    def _said(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def go(self, run: RunFolder, crash_at: int = 0, seconds: float = 0.0) -> int:
        """Have a process work on a run until it is done, or killed at an event or after so many seconds; its exit code."""
        asked = {
            "address": self.wire.address("openai"),
            "folder": str(run.path),
            "crash_at": crash_at,
            "seconds": seconds,
        }
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return int(self._said())


def entries(run: RunFolder) -> list[tuple[Any, ...]]:
    """What is in the notebook, in its order."""
    if not run.notebook.exists():
        return []
    with sqlite3.connect(run.notebook) as connection:
        tables = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'entries'").fetchone()[0]
        rows = connection.execute("SELECT * FROM entries ORDER BY number").fetchall() if tables else []
    connection.close()
    return rows


def begun_and_measured(run: RunFolder) -> tuple[Counter[str], set[str]]:
    """How often each experiment was begun, and which have an outcome."""
    if not entries(run):
        return Counter(), set()
    connection = sqlite3.connect(run.notebook)
    begun = Counter(row[0] for row in connection.execute("SELECT key FROM used WHERE unit = 'tool_calls'"))
    connection.close()
    return begun, {str(row[2]) for row in entries(run) if row[1] == "outcome"}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Work]:
    with Wire(think, once=True) as wire, Work(wire, tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize(("strategy", "wanted"), [("investigate", KILLS), ("react", 2 + KILLS // 6)])
def test_killed_at_random_moments(strategy: str, wanted: int, work: Work, tmp_path: Path) -> None:
    generator, wire = random.Random(f"kills {strategy}"), work.wire
    _forget(wire)
    whole = RunFolder.begin(tmp_path, feature=SINGLE, strategy=strategy)
    began = time.monotonic()
    assert work.go(whole) == 0
    seconds, events = time.monotonic() - began, int((whole.path / "events").read_text())
    asked = len(wire.tally.worked)
    kills = 0
    while kills < wanted:
        _forget(wire)
        run = RunFolder.begin(tmp_path, feature=SINGLE, strategy=strategy)
        for _ in range(6):
            if kills == wanted:
                break
            before, begun = entries(run), begun_and_measured(run)
            by_event = generator.random() < 0.5
            code = work.go(
                run,
                crash_at=generator.randint(1, events // 2) if by_event else 0,
                seconds=0.0 if by_event else generator.uniform(0.02, 0.6 * seconds),
            )
            assert code in (0, -signal.SIGKILL)
            # What was written stays as it was, time stamps included, and what was measured is not measured again.
            assert entries(run)[: len(before)] == before
            again = begun_and_measured(run)
            assert all(again[0][key] == begun[0][key] for key in begun[1])
            kills += code != 0
        assert work.go(run) == 0
        _check(run, whole, asked, wire)


def _forget(wire: Wire) -> None:
    """What the server did so far is done by another run."""
    wire.tally.worked.clear()
    wire._kept.clear()


def _check(run: RunFolder, whole: RunFolder, asked: int, wire: Wire) -> None:
    """The outcome is that of a run that nobody disturbed, every question was answered once, and paid once."""
    assert (run.path / "explanation.json").read_text() == (whole.path / "explanation.json").read_text()
    ledger, reference = (Ledger.model_validate_json((r.path / "ledger.json").read_text()) for r in (run, whole))
    assert [h.id for h in ledger.hypotheses] == [h.id for h in reference.hypotheses]
    assert {o.experiment: o.values for o in ledger.outcomes} == {o.experiment: o.values for o in reference.outcomes}
    assert len(wire.tally.worked) == asked
    books = Books(Database(run.path / "llm.sqlite"), killed.RUN, Budget(), Notices())
    assert books.spent().requests == asked
