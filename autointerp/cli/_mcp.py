"""`autointerp mcp`: the tools and explanations for agents that speak the Model Context Protocol."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Coroutine
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autointerp.cli._llm import CacheOption, PricesOption, ScientistOption, default_cache
from autointerp.cli._options import (
    CorpusOption,
    DeviceOption,
    DictionaryOption,
    DtypeOption,
    ModelOption,
    SeedOption,
    TokensOption,
)
from autointerp.errors import InputError

if TYPE_CHECKING:
    import asyncio

    from autointerp.mcp import Settings

_TOKEN = "AUTOINTERP_MCP_TOKEN"
#: How long what is under way may take to end after Ctrl-C.
_GRACE_SECONDS = 2.0


LimitsOption = Annotated[
    str,
    typer.Option(
        envvar="AUTOINTERP_BUDGET", help="Hard limits of each run: 2usd, 500ktokens, 200calls, 300passes, 10min."
    ),
]
OutOption = Annotated[Path | None, typer.Option(help="Folder for pages and runs; nothing is kept on disk without it.")]
CodeOption = Annotated[
    bool, typer.Option("--run-code", help="Also offer a tool that runs the host's Python in the sandbox.")
]
HttpOption = Annotated[
    bool, typer.Option("--http", help="Serve HTTP on 127.0.0.1 instead of standard input and output.")
]


def mcp(
    model: ModelOption = "pystdlib",
    dictionary: DictionaryOption = "pystdlib-sae",
    corpus: CorpusOption = "stdlib",
    tokens: TokensOption = 300_000,
    out: OutOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    seed: SeedOption = 0,
    llm: ScientistOption = None,
    critic: Annotated[str | None, typer.Option(help="Model that plays the critic, if another.")] = None,
    budget: LimitsOption = "",
    llm_cache: CacheOption = None,
    prices: PricesOption = None,
    run_code: CodeOption = False,
    http: HttpOption = False,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port of --http; 0 for any that is free.")] = 8765,
) -> None:
    """Serve the tools and explanations to an agent over the Model Context Protocol.

    On standard input and output, as Claude Code, Cursor and others start it. With --http a host has to send the token in the
    environment variable AUTOINTERP_MCP_TOKEN; one is made and printed where it is not set. Needs the extra `mcp`.
    """
    if find_spec("mcp") is None:
        raise InputError("the server needs the package mcp: pip install 'autointerp-agents[mcp]'")
    from autointerp.agents import Limits
    from autointerp.mcp import Settings, serve_stdio
    from autointerp.report import ensure_writable

    Limits.parse(budget)
    if out is not None:
        ensure_writable(out / "page.html")
    settings = Settings(
        model=model,
        dictionary=dictionary,
        corpus=corpus,
        tokens=tokens,
        seed=seed,
        device=device,
        dtype=dtype,
        llm=llm,
        critic=critic,
        budget=budget,
        llm_cache=(llm_cache or default_cache()) if llm else None,
        prices=prices,
        out=out,
        run_code=run_code,
    )
    import asyncio

    if http:
        _over_http(settings, port)
        return
    asyncio.run(_until_interrupted(serve_stdio(settings)))


async def _until_interrupted(serving: Coroutine[Any, Any, None]) -> None:
    """Serve until the host has gone, or Ctrl-C ends the process with everything but a line of the host let go of."""
    import asyncio

    served = asyncio.ensure_future(serving)
    interrupted = asyncio.Event()

    def interrupt() -> None:
        interrupted.set()
        served.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupt)
    await asyncio.wait([served, asyncio.ensure_future(_grace(interrupted))], return_when=asyncio.FIRST_COMPLETED)
    if interrupted.is_set():
        # A thread waits for a line that may never come, and neither the task nor Python would end before it.
        print("autointerp: interrupted", file=sys.stderr, flush=True)
        os._exit(130)
    await served


async def _grace(interrupted: asyncio.Event) -> None:
    import asyncio

    await interrupted.wait()
    await asyncio.sleep(_GRACE_SECONDS)


def _over_http(settings: Settings, port: int) -> None:
    import asyncio
    import secrets

    from autointerp.mcp import serve_http

    given = os.environ.get(_TOKEN)
    token = given or secrets.token_urlsafe(32)

    def announce(address: str) -> None:
        typer.echo(f"serving on {address}", err=True)
        if not given:
            typer.echo(f"token: {token} (set {_TOKEN} to choose your own)", err=True)

    asyncio.run(serve_http(settings, port, token, announce))
