"""A server that speaks Chat Completions and Messages, on loopback, and does wrong what it is told to do wrong.

Beside the tests the benchmarks use it, as a process of its own: `python -m tests.llm.wire --latency 0.2 --limit 50`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.llm import formats
from tests.llm.batches import Batches, route
from tests.llm.formats import Counted, Said, Wireformat
from tests.llm.http import Answered, Asked, serve

Brain = Callable[[dict[str, Any]], Said]


@dataclass(frozen=True)
class Wrong:
    """What to do instead of answering; with `body` after the work was done and can be billed."""

    status: int = 0
    after: str | None = None
    hang: bool = False
    cut_body: bool = False
    broken_json: bool = False
    message: str = "told to fail"
    code: str = ""
    parameter: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def worked(self) -> bool:
        return self.cut_body or self.broken_json


@dataclass
class Limit:
    """A token bucket, as both providers describe theirs."""

    per_second: float
    burst: float
    headers: bool = True
    left: float = 0.0
    at: float = 0.0

    def take(self) -> bool:
        now = time.monotonic()
        self.left = min(self.burst, self.left + (now - self.at) * self.per_second) if self.at else self.burst
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True

    def shown(self) -> dict[str, str]:
        if not self.headers:
            return {}
        reset = (self.burst - self.left) / self.per_second
        return {
            "x-ratelimit-limit-requests": f"{self.burst:g}",
            "x-ratelimit-remaining-requests": f"{int(self.left)}",
            "x-ratelimit-reset-requests": f"{max(reset * 1000, 1):.0f}ms",
        }

    def wait(self) -> str:
        return f"{max((1 - self.left) / self.per_second, 0.001):.3f}"


@dataclass
class Tally:
    """The server's own books. `delivered` went out whole; `worked` counts every answer that was made."""

    requests: int = 0
    rejected: int = 0
    delivered: list[tuple[str, Counted]] = field(default_factory=list)
    worked: list[tuple[str, Counted]] = field(default_factory=list)

    @property
    def tokens(self) -> int:
        return sum(c.prompt + c.output for _, c in self.delivered)

    @property
    def worked_tokens(self) -> int:
        return sum(c.prompt + c.output for _, c in self.worked)


def echo(body: dict[str, Any]) -> Said:
    return Said(f"echo: {formats.prompt_of(body)}")


class Wire:
    """In a thread with a loop of its own: `with Wire(...) as wire`, then `wire.openai` and `wire.anthropic` are URLs."""

    def __init__(
        self,
        brain: Brain = echo,
        *,
        latency: float = 0.0,
        limit: Limit | None = None,
        wrong: Callable[[int, str], Wrong | None] = lambda number, prompt: None,
        key: str | None = None,
        once: bool = False,
    ) -> None:
        self.brain, self.latency, self.limit, self.wrong = brain, latency, limit, wrong
        self.key = key
        #: Whether the server does the same work only once, by `Idempotency-Key`.
        self.once = once
        self.tally = Tally()
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.keys: Counter[str] = Counter()
        self.together = self.most_together = 0
        self.batches: dict[Wireformat, Batches] = {
            "openai": Batches("openai", self.think),
            "anthropic": Batches("anthropic", self.think),
        }
        self.batch_wrong: Callable[[str, str], Wrong | None] = lambda method, path: None
        self.has_batches = True
        self._kept: dict[str, Said] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.port = 0

    @property
    def openai(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def anthropic(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def address(self, kind: str, model: str = "m") -> str:
        return f"{kind}:{model}@{self.openai if kind == 'openai' else self.anthropic}"

    def think(self, body: dict[str, Any]) -> Said:
        """As the brain does that the server has by then."""
        return self.brain(body)

    def __enter__(self) -> Wire:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(serve(self.handle), self._loop).result()
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        async def stop() -> None:
            self._server.close()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            await asyncio.sleep(0)

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def handle(self, asked: Asked) -> Answered:
        path = asked.path
        kind: Wireformat = "anthropic" if "/messages" in path else "openai"
        self.headers.append(dict(asked.headers))
        sent = asked.headers.get("authorization", "").removeprefix("Bearer ") or asked.headers.get("x-api-key", "")
        if self.key is not None and sent != self.key:
            return _json(401, formats.error(kind, 401, f"Incorrect API key provided: {sent}"))
        if path.endswith(("/chat/completions", "/messages")):
            return await self._ask(kind, asked)
        if (wrong := self.batch_wrong(asked.method, path)) is not None and wrong.status:
            return _json(wrong.status, formats.error(kind, wrong.status, wrong.message))
        routed = (
            route(self.batches[kind], asked.method, path, dict(asked.query), asked.body) if self.has_batches else None
        )
        if routed is None:
            return _json(404, formats.error(kind, 404, f"no such path: {path}"))
        if wrong is not None:
            return Answered(200, routed[1], close_after=3)
        return Answered(*routed)

    async def _ask(self, kind: Wireformat, asked: Asked) -> Answered:
        body = json.loads(asked.body)
        number = self.tally.requests
        self.tally.requests += 1
        self.bodies.append(body)
        self.keys[asked.headers.get("idempotency-key", "")] += 1
        prompt = formats.prompt_of(body)
        self.together += 1
        self.most_together = max(self.most_together, self.together)
        try:
            if self.limit is not None and not self.limit.take():
                self.tally.rejected += 1
                headers = {"retry-after": self.limit.wait(), **self.limit.shown()}
                return _json(429, formats.error(kind, 429, "too many requests"), headers)
            quota = self.limit.shown() if self.limit else {}
            if self.latency:
                await asyncio.sleep(self.latency)
            wrong = self.wrong(number, prompt)
            if wrong is not None and wrong.hang:
                return Answered(hang=True)
            if wrong is not None and not wrong.worked:
                after = {"retry-after": wrong.after} if wrong.after is not None else {}
                told = formats.error(kind, wrong.status, wrong.message, wrong.code, wrong.parameter)
                return _json(wrong.status, told, after | wrong.headers)
            return self._work(kind, body, prompt, asked.headers.get("idempotency-key", ""), number, wrong, quota)
        finally:
            self.together -= 1

    def _work(
        self,
        kind: Wireformat,
        body: dict[str, Any],
        prompt: str,
        key: str,
        number: int,
        wrong: Wrong | None,
        quota: dict[str, str],
    ) -> Answered:
        said = self._kept.get(key) if self.once else None
        fresh = said is None
        said = said or self.brain(body)
        counted = formats.count(body, said)
        if fresh:
            self.tally.worked.append((prompt, counted))
            self._kept[key] = said
        text = json.dumps(formats.answer(kind, body, said, number)).encode()
        if wrong is not None:
            half = text[: len(text) // 2]
            return (
                Answered(200, half, quota) if wrong.broken_json else Answered(200, text, quota, close_after=len(half))
            )
        self.tally.delivered.append((prompt, counted))
        return Answered(200, text, quota)


def _json(status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> Answered:
    return Answered(status, json.dumps(body).encode(), headers or {})


def some_wrong(rate: float, seed: int, kinds: list[Wrong]) -> Callable[[int, str], Wrong | None]:
    """One of `kinds` at random, in that share of the requests."""
    generator = random.Random(seed)
    return lambda number, prompt: generator.choice(kinds) if generator.random() < rate else None


async def _main() -> None:
    flags = argparse.ArgumentParser()
    flags.add_argument("--latency", type=float, default=0.0)
    flags.add_argument("--limit", type=float)
    flags.add_argument("--burst", type=float)
    flags.add_argument("--no-headers", action="store_true")
    options = flags.parse_args()
    limit = None
    if options.limit:
        limit = Limit(options.limit, options.burst or options.limit, headers=not options.no_headers)
    wire = Wire(latency=options.latency, limit=limit)

    async def handle(asked: Asked) -> Answered:
        if asked.path != "/tally":
            return await wire.handle(asked)
        tally = wire.tally
        return _json(200, {"requests": tally.requests, "rejected": tally.rejected, "delivered": len(tally.delivered)})

    server = await serve(handle)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
