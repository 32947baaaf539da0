"""Whole sessions of the official client: in this process, over standard input and output, over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from autointerp.cli import main
from autointerp.mcp import Settings, serve_http
from autointerp.records import RunRecord
from autointerp.tools import all_tools
from tests.mcp.talking import DEAD, FEATURE, asked, explained, refused

REPOSITORY = Path(__file__).resolve().parents[2]
TOKEN = "a-token-of-more-than-16"


def command(settings: Settings, *more: str) -> list[str]:
    options = {"model": settings.model, "dictionary": settings.dictionary, "corpus": settings.corpus, "tokens": 10_000}
    flags = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
    return ["-m", "autointerp", "mcp", *flags, *more]


async def whole(client: Any, first: str) -> str:
    """An answer of several pages put together, each asked for as the one before says."""
    pages = [first]
    while more := re.search(r'\n\[page (\d+) of (\d+); page\(handle="([\w-]+)", number=(\d+)\) ', pages[-1]):
        pages.append(await asked(client, "page", handle=more[3], number=int(more[4])))
    assert len(pages) > 2
    return "\n".join(re.sub(r"\n\[page \d+ of .*\]\Z", "", text) for text in pages)


async def watched(client: Any, feature: int) -> str:
    """The name of a run that is done, whose server answered meanwhile and said how far it was."""
    told: list[tuple[float, str | None]] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        del total
        told.append((done, message))

    began = time.monotonic()
    run = (await client.call_tool("explain_start", {"feature": feature})).structured_content["run"]
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
    return str(run)


async def session(client: Any, explain: Callable[[Any, int], Awaitable[str]] = explained) -> None:
    """List, start, status, result, page, resources, prompt: what a host does from beginning to end."""
    listed = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert {"explain_start", "explain_status", "explain_result", "list_features", "page"} <= listed.keys()
    assert f"{FEATURE:6d}  " in await asked(client, "list_features", count=200)
    run = await explain(client, FEATURE)
    first = await asked(client, "explain_result", run=run)
    assert f"feature {FEATURE} at resid_post.1" in first
    for part in ("simulation", "substitution", "def predict(tokens)"):
        assert part in first
    record = await whole(client, await asked(client, "explain_result", run=run, detail="record"))
    assert RunRecord.model_validate_json(record).feature.index == FEATURE
    uris = {str(resource.uri) for resource in (await client.list_resources()).resources}
    assert uris == {"autointerp://features", f"autointerp://runs/{run}", f"autointerp://runs/{run}/page.html"}
    read = await client.read_resource(f"autointerp://runs/{run}/pages/1")
    assert read.contents[0].text == first
    told = await client.get_prompt("investigate_feature", {"feature": str(FEATURE)})
    assert f"feature {FEATURE}" in told.messages[0].content.text


def test_a_session_in_this_process_whose_server_answers_while_it_explains(converse: Callable[..., None]) -> None:
    async def ask(client: Any) -> None:
        await session(client, watched)

    converse(ask)


def test_a_session_of_the_older_protocol(converse: Callable[..., None]) -> None:
    async def short(client: Any) -> None:
        assert client.server_info.name == "autointerp"
        assert {tool.name for tool in (await client.list_tools()).tools} >= all_tools().keys() - {"run_code"}
        run = await explained(client, DEAD)
        assert "Never active" in await asked(client, "explain_result", run=run)

    converse(short, mode="legacy")


@pytest.mark.slow
def test_a_session_over_standard_input_and_output(settings: Settings, tmp_path: Path) -> None:
    from mcp import Client, StdioServerParameters

    environment = {name: os.environ[name] for name in ("AUTOINTERP_CACHE", "HF_HUB_OFFLINE")}
    server = StdioServerParameters(
        command=sys.executable,
        args=command(settings, "--out", str(tmp_path / "out")),
        env={**environment, "OMP_NUM_THREADS": "1"},
        cwd=REPOSITORY,
    )

    async def talk() -> None:
        async with Client(server) as client:
            await session(client)
            assert "no feature 99" in await refused(client, "feature_stats", feature=99)

    asyncio.run(talk())
    assert "<html" in (tmp_path / "out" / f"feature-{FEATURE}-offline.html").read_text("utf-8")


@pytest.mark.slow
def test_an_interrupt_ends_it_though_the_host_says_nothing(settings: Settings) -> None:
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
    }
    with subprocess.Popen(
        [sys.executable, *command(settings)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        assert server.stderr is not None
        server.stdin.write(json.dumps(hello) + "\n")
        server.stdin.flush()
        assert json.loads(server.stdout.readline())["result"]["serverInfo"]["name"] == "autointerp"
        server.send_signal(signal.SIGINT)
        assert server.wait(60) == 130
        assert server.stderr.read() == "autointerp: interrupted\n"


def test_http_is_for_those_with_the_token(settings: Settings) -> None:
    import httpx2
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    async def talk() -> None:
        announced: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        server = asyncio.create_task(serve_http(settings, 0, TOKEN, announced.set_result))
        address = await announced
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/mcp", address)
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": TOKEN}):
            async with httpx2.AsyncClient(headers=headers) as http:
                assert (await http.post(address, json={})).status_code == 401
        right = {"authorization": f"Bearer {TOKEN}"}
        async with httpx2.AsyncClient(headers={**right, "host": "evil.example"}) as http:
            assert (await http.post(address, json={})).status_code == 421
        async with (
            httpx2.AsyncClient(headers=right, timeout=120) as http,
            Client(streamable_http_client(address, http_client=http)) as client,
        ):
            assert f"{FEATURE:6d}  " in await asked(client, "list_features", count=200)
        server.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await server

    asyncio.run(talk())


def test_bad_flags_are_refused_in_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def line(*flags: str) -> str:
        with pytest.raises(SystemExit) as end:
            main(["mcp", *flags])
        assert end.value.code in (1, 2)
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert "give another with --port" in line("--http", "--port", port)
    assert "is no budget" in line("--budget", "much")
    assert "cannot write" in line("--out", "/dev/null/here")
    monkeypatch.setenv("AUTOINTERP_MCP_TOKEN", "short")
    assert "at least 16" in line("--http", "--port", "0")


@pytest.mark.slow
def test_the_inspector_of_the_protocol_reads_it(settings: Settings, tmp_path: Path) -> None:
    """Where AUTOINTERP_MCP_INSPECTOR names the program mcp-inspector, an implementation that has nothing to do with ours."""
    inspector = os.environ.get("AUTOINTERP_MCP_INSPECTOR")
    if not inspector:
        pytest.skip("AUTOINTERP_MCP_INSPECTOR names no mcp-inspector (npm install @modelcontextprotocol/inspector)")
    environment = {name: os.environ[name] for name in ("AUTOINTERP_CACHE", "HF_HUB_OFFLINE")}
    server = {"command": sys.executable, "args": command(settings), "env": environment, "cwd": str(REPOSITORY)}
    config = tmp_path / "servers.json"
    config.write_text(json.dumps({"mcpServers": {"autointerp": server}}), "utf-8")

    def inspected(*method: str) -> Any:
        arguments = [inspector, "--cli", "--config", str(config), "--server", "autointerp", "--method", *method]
        done = subprocess.run(
            arguments,
            check=False,
            capture_output=True,
            text=True,
            timeout=240,
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    assert {tool["name"] for tool in inspected("tools/list")["tools"]} >= {"explain_start", "page", "top_examples"}
    called = inspected("tools/call", "--tool-name", "feature_stats", "--tool-arg", "feature=3")
    assert called["content"][0]["text"].startswith("feature 3 ")
