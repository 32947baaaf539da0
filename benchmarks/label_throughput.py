"""How close labelling with a language model comes to what the model's latency allows: one-shot answers, many at a time.

    python benchmarks/label_throughput.py [--quick] [--json FILE]

A server on loopback speaks Chat Completions and answers after 200 ms, by rules and not with a model. The stage `oneshot` labels
features of the bundled dictionary through it, 64 at a time; the time of grading is left out. The ideal of n features is
n/64·0.2 seconds, as if nothing but waiting took time. Three things say where the rest goes: bare requests of the same length,
with no feature behind them; the same labels with answers from the cache, where nobody waits; and the processor's time, the
server's part in it included. Forward passes are counted without effects, which is what `autointerp label` does unless it is
asked for them, and with.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from autointerp.errors import AutointerpError
from autointerp.labelling import Asking
from autointerp.llm import Request, open_llms, system, user
from autointerp.study import Laboratory, open_laboratory
from benchmarks._rows import Row, parser, publish
from tests.agents import brain
from tests.llm.formats import Said
from tests.llm.wire import Wire

CONCURRENCY, LATENCY = 64, 0.2
FEATURES, QUICK = 256, 8
#: Features whose effects are measured too.
WITH_EFFECTS = 64
#: Characters of a question about a feature, about.
_LENGTH = 14_000
_BARE = "bare"


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds by the clock and of the processor, forward passes, and how many were explained."""

    wall: float
    cpu: float
    passes: int
    good: int


def answered(body: dict[str, Any]) -> Said:
    """What the scientist of the tests says to a request."""
    told, question = (str(message["content"]) for message in body["messages"][:2])
    return Said("ok" if told == _BARE else brain.answer(told, question))


async def labelled(laboratory: Laboratory, url: str, features: range, cache: Path, *, effects: bool = False) -> Taken:
    """Ask about these features."""
    usage = laboratory.subject.usage
    before, gate = usage.forward_passes, asyncio.Semaphore(CONCURRENCY)
    async with open_llms({"scientist": f"openai:m@{url}"}, cache=cache, concurrency=CONCURRENCY) as llms:
        with Asking("oneshot", laboratory, llms["scientist"], effects=effects) as stage:

            async def one(feature: int) -> bool:
                async with gate:
                    try:
                        return (await stage.attempt(feature, [])).refine is not None
                    except AutointerpError:
                        return False

            began, worked = time.perf_counter(), time.process_time()
            found = await asyncio.gather(*(one(feature) for feature in features))
            wall, cpu = time.perf_counter() - began, time.process_time() - worked
    return Taken(wall, cpu, usage.forward_passes - before, sum(found))


async def bare(url: str, count: int) -> float:
    """Seconds of as many requests of the same length, with no feature behind them."""
    async with open_llms({"scientist": f"openai:m@{url}"}, concurrency=CONCURRENCY) as llms:
        requests: list[Request[Any]] = [
            Request((system(_BARE), user(f"{i} " + "word " * (_LENGTH // 5)))) for i in range(count)
        ]
        await llms["scientist"].ask(Request((system(_BARE), user("the connection is opened"))))
        began = time.perf_counter()
        await llms["scientist"].ask_all(requests)
        return time.perf_counter() - began


def main() -> None:
    asked = parser(__doc__).parse_args()
    count = QUICK if asked.quick else FEATURES
    some = min(count, WITH_EFFECTS)
    laboratory = open_laboratory("pystdlib", "pystdlib-sae", "stdlib", seed=asked.seed)
    with Wire(answered, latency=LATENCY) as server, tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "llm.sqlite"
        floor = asyncio.run(bare(server.openai, count))
        waiting = asyncio.run(labelled(laboratory, server.openai, range(count), cache))
        computing = asyncio.run(labelled(laboratory, server.openai, range(count), cache))
        more = asyncio.run(labelled(laboratory, server.openai, range(some), cache, effects=True))
    ideal = max(1.0, count / CONCURRENCY) * LATENCY
    rows = [
        Row("explained", waiting.good, "features", baseline=count),
        Row("wall", waiting.wall, "s", baseline=ideal),
        Row("wall over ideal", waiting.wall / ideal, "ratio", target=None if asked.quick else "<= 1.15"),
        Row("bare requests: wall over ideal", floor / ideal, "ratio"),
        Row("answers cached: wall over ideal", computing.wall / ideal, "ratio"),
        Row("wall over the larger of ideal and computing", waiting.wall / max(ideal, computing.wall), "ratio"),
        Row("processor", waiting.cpu / count, "s a feature"),
        Row("features", count / waiting.wall, "a second"),
        Row("forward passes", waiting.passes / count, "a feature"),
        Row("with effects: wall", more.wall / some, "s a feature", baseline=waiting.wall / count),
        Row("with effects: processor", more.cpu / some, "s a feature", baseline=waiting.cpu / count),
        Row("with effects: forward passes", more.passes / some, "a feature"),
    ]
    publish(f"One-shot labels of {count} features, {CONCURRENCY} at a time, {LATENCY:g} s a request", rows, asked.json)


if __name__ == "__main__":
    main()
