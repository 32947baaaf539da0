"""How close the client layer comes to what a server allows: requests with a fixed latency, and under a limit of their rate.

    python benchmarks/llm_throughput.py [--quick] [--json FILE]

The server is a process of its own on loopback that speaks Chat Completions and Messages; the official SDKs talk to it, with the
cache on disk and the ledger in use. The ideal of n requests of latency t, c at a time, is n/c·t seconds; the baseline is the
bare SDK doing the same, with no cache, ledger, limiter or retries. Under a limit, goodput is what was answered per second of
what the server would have allowed in that time, and rejected is the share of requests that it turned away. A server that does
not state its limits has to be found out, which costs more rejections.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from autointerp.llm import Reply, Request, open_llms, user
from benchmarks._rows import Row, parser, publish

CONCURRENCY, LATENCY, LIMIT = 64, 0.2, 50.0
REQUESTS, QUICK = 1000, 320
LIMITED_REQUESTS, LIMITED_QUICK = 1500, 400


@contextmanager
def server(*flags: object) -> Iterator[str]:
    """The wire server in a process of its own; yields its address."""
    command = [sys.executable, "-m", "tests.llm.wire", *map(str, flags)]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.communicate()


def tally(url: str) -> dict[str, int]:
    """The server's own count."""
    with urllib.request.urlopen(f"{url}/tally") as answer:
        found: dict[str, int] = json.loads(answer.read())
    return found


def questions(count: int) -> list[Request[str]]:
    return [Request((user(f"What is {i} plus one?"),), max_tokens=64) for i in range(count)]


async def layer_seconds(kind: str, url: str, count: int) -> float:
    """Wall time of all of them through this layer, cache and ledger on disk."""
    with tempfile.TemporaryDirectory() as folder:
        address = f"{kind}:m@{url}{'/v1' if kind == 'openai' else ''}"
        async with open_llms({"judge": address}, cache=Path(folder) / "llm.sqlite", concurrency=CONCURRENCY) as llms:
            await llms["judge"].ask(Request((user("a first one, for the connection"),), max_tokens=64))
            began = time.perf_counter()
            replies = await llms["judge"].ask_all(questions(count))
            seconds = time.perf_counter() - began
    if not all(isinstance(reply, Reply) for reply in replies):
        raise RuntimeError(f"not everything was answered: {next(r for r in replies if not isinstance(r, Reply))}")
    return seconds


async def bare_seconds(kind: str, url: str, count: int) -> float:
    """The same number of requests through the SDK alone, by as many workers."""
    import anthropic
    import openai

    remaining = iter(range(count))
    if kind == "openai":
        chat = openai.AsyncOpenAI(api_key="none", base_url=f"{url}/v1", max_retries=0)
    else:
        messages = anthropic.AsyncAnthropic(api_key="none", base_url=url, max_retries=0)

    async def one(text: str) -> None:
        if kind == "openai":
            await chat.chat.completions.create(model="m", messages=[{"role": "user", "content": text}], max_tokens=64)
        else:
            await messages.messages.create(model="m", messages=[{"role": "user", "content": text}], max_tokens=64)

    async def worker() -> None:
        for i in remaining:
            await one(f"What is {i} plus one?")

    await one("a first one, for the connection")
    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))
    seconds = time.perf_counter() - began
    await (chat.close() if kind == "openai" else messages.close())
    return seconds


def latency_rows(kind: str, count: int) -> list[Row]:
    """Wall time over the ideal."""
    ideal = count / CONCURRENCY * LATENCY
    with server("--latency", LATENCY) as url:
        bare = asyncio.run(bare_seconds(kind, url, count))
        cpu = time.process_time()
        seconds = asyncio.run(layer_seconds(kind, url, count))
        cpu = time.process_time() - cpu
    name = f"{kind}: {count} requests of {LATENCY * 1000:.0f} ms, {CONCURRENCY} at once"
    return [
        Row(f"{name}: over the ideal", seconds / ideal, "ratio", bare / ideal, "<= 1.10"),
        Row(f"{kind}: CPU time of a request", cpu / count * 1000, "ms"),
    ]


def limit_rows(kind: str, count: int, *, headers: bool) -> list[Row]:
    """Goodput and rejections under a limit of requests per second."""
    flags = ["--latency", LATENCY, "--limit", LIMIT, *([] if headers else ["--no-headers"])]
    with server(*flags) as url:
        seconds = asyncio.run(layer_seconds(kind, url, count))
        counted = tally(url)
    # The bucket is full at the start: so many are allowed on top of the rate.
    allowed = LIMIT * seconds + LIMIT
    rejected = counted["rejected"] / counted["requests"] * 100
    name = f"{kind}: limit of {LIMIT:.0f} a second, {'stated' if headers else 'not stated'}"
    return [
        Row(f"{name}: goodput", counted["delivered"] / allowed * 100, "%", target=">= 90" if headers else None),
        Row(f"{name}: rejected", rejected, "%", target="< 2" if headers else None),
    ]


def main() -> None:
    options = parser(__doc__).parse_args()
    count = QUICK if options.quick else REQUESTS
    limited = LIMITED_QUICK if options.quick else LIMITED_REQUESTS
    rows: list[Row] = []
    for kind in ("openai", "anthropic"):
        rows += latency_rows(kind, count)
    for kind in ("openai", "anthropic"):
        rows += limit_rows(kind, limited, headers=True)
    rows += limit_rows("openai", limited, headers=False)
    publish("The client layer against a server on loopback", rows, options.json)


if __name__ == "__main__":
    main()
