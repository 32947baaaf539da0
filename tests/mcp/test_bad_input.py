"""What a host gets wrong is answered with one line that says what would be right, and the session goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autointerp.mcp import Settings, _opening
from tests.mcp.talking import DEAD, FEATURE, asked, explained, refused

Converse = Callable[..., None]

BAD: list[tuple[str, dict[str, Any], str]] = [
    ("nothing", {}, "there is no tool 'nothing': there are explain_start"),
    ("feature_stats", {}, "give the number of a feature"),
    ("feature_stats", {"feature": "12"}, "found '12'"),
    ("feature_stats", {"feature": True}, "found True"),
    ("feature_stats", {"feature": 64}, "give a number from 0 to 63"),
    ("feature_stats", {"feature": -1}, "give a number from 0 to 63"),
    ("feature_stats", {"feature": 10**30}, "give a number from 0 to 63"),
    ("activations_on", {"feature": FEATURE}, "texts: Field required"),
    ("activations_on", {"feature": FEATURE, "texts": []}, "texts:"),
    ("activations_on", {"feature": FEATURE, "texts": ["a"], "text": "a"}, "text: activations_on has no such argument"),
    ("explain_start", {"feature": 1, "strategy": "guess"}, "there are "),
    ("explain_start", {"feature": 1, "strategy": "oneshot"}, "start the server with --llm"),
    ("explain_start", {"feature": 1, "rounds": 0}, "rounds:"),
    ("explain_start", {"feature": 1.5}, "feature:"),
    ("explain_status", {"run": "run9"}, "no run 'run9'; there are none yet"),
    ("explain_status", {"run": "run9", "wait_seconds": 1e9}, "wait_seconds:"),
    ("explain_result", {"runs": "run9"}, "it takes run"),
    ("page", {"handle": "a99"}, "no answer 'a99' is kept"),
    ("list_features", {"order": "colour"}, "order:"),
]


def test_bad_calls_are_refused_in_one_line(converse: Converse) -> None:
    async def ask(client: Any) -> None:
        for tool, arguments, expected in BAD:
            assert expected in await refused(client, tool, **arguments), (tool, arguments)
        assert "feature 3 " in await asked(client, "feature_stats", feature=3)

    converse(ask)


def test_pages_runs_and_prompts_that_there_are_not(converse: Converse) -> None:
    from mcp import MCPError

    async def ask(client: Any) -> None:
        run = await explained(client, DEAD)
        assert "has pages 1 to" in await refused(client, "page", handle=(await handle(client)), number=900)
        addresses = [
            "autointerp://features/99",
            "autointerp://runs/run9",
            "autointerp://runs/run1/pages/900",
            "file:///etc",
        ]
        for uri in addresses:
            with pytest.raises(MCPError) as refusal:
                await client.read_resource(uri)
            assert "\n" not in str(refusal.value)
        for name, given in (("nothing", {}), ("investigate_feature", {}), ("investigate_feature", {"feature": "x"})):
            with pytest.raises(MCPError, match=r"investigate_feature|give the number"):
                await client.get_prompt(name, given)
        assert "<html" in (await client.read_resource(f"autointerp://runs/{run}/page.html")).contents[0].text

    async def handle(client: Any) -> str:
        await asked(client, "list_features")
        return "a1"

    converse(ask)


def test_a_run_that_is_not_done_or_failed_has_no_result(converse: Converse, monkeypatch: pytest.MonkeyPatch) -> None:
    opens, may_open = _opening.open_laboratory, threading.Event()

    def later(**options: Any) -> Any:
        assert may_open.wait(60)
        return opens(**options)

    monkeypatch.setattr(_opening, "open_laboratory", later)

    async def ask(client: Any) -> None:
        # Before the dictionary is open, nobody knows how many features it has.
        run = (await client.call_tool("explain_start", {"feature": 640})).structured_content["run"]
        assert "is not done" in await refused(client, "explain_result", run=run)
        may_open.set()
        status = await client.call_tool("explain_status", {"run": run, "wait_seconds": 45.0})
        assert status.structured_content["state"] == "failed"
        assert "give a number from 0 to 63" in await refused(client, "explain_result", run=run)

    converse(ask)


def test_a_model_that_is_not_there_is_said_with_every_call(converse: Converse, settings: Settings) -> None:
    async def ask(client: Any) -> None:
        assert len((await client.list_tools()).tools) > 5
        for _ in range(2):
            assert "nowhere" in await refused(client, "list_features")

    converse(ask, replace(settings, model="/nowhere/at/all"))


def test_a_page_that_cannot_be_written_costs_no_result(converse: Converse, settings: Settings, tmp_path: Path) -> None:
    async def ask(client: Any) -> None:
        run = await explained(client, DEAD)
        assert "cannot write" in await asked(client, "explain_status", run=run)
        assert "page for people" not in await asked(client, "explain_result", run=run)

    (tmp_path / "file").write_text("", "utf-8")
    converse(ask, replace(settings, out=tmp_path / "file"))
