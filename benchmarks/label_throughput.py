"""How close labelling with a language model comes to what the model's latency allows: one-shot answers, many at a time.

    python benchmarks/label_throughput.py [--quick] [--json FILE]

A server on loopback speaks Chat Completions and answers after 200 ms, by rules and not with a model. The stage `oneshot` labels
features of the bundled dictionary through it, 64 at a time; the time of grading is left out. The ideal of n features is
n/64·0.2 seconds, as if nothing but waiting took time. Before it asks, a stage measures what ablating and steering does: the
forward passes are counted, and the same with answers from the cache, where nobody waits, is what all that computing takes.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from autointerp.errors import AutointerpError
from autointerp.labelling import Asking
from autointerp.llm import open_llms
from autointerp.study import Laboratory, open_laboratory
from benchmarks._rows import Row, parser, publish
from tests.agents import brain
from tests.llm.formats import Said
from tests.llm.wire import Wire

CONCURRENCY, LATENCY = 64, 0.2
FEATURES, QUICK = 256, 8


def answered(body: dict[str, Any]) -> Said:
    """What the scientist of the tests says to a request."""
    told, question = (str(message["content"]) for message in body["messages"][:2])
    return Said(brain.answer(told, question))


async def labelled(laboratory: Laboratory, url: str, features: range, cache: Path) -> tuple[float, int, int]:
    """Seconds, forward passes and answers of asking about these features."""
    usage = laboratory.subject.usage
    before, gate = usage.forward_passes, asyncio.Semaphore(CONCURRENCY)
    async with open_llms({"scientist": f"openai:m@{url}"}, cache=cache, concurrency=CONCURRENCY) as llms:
        with Asking("oneshot", laboratory, llms["scientist"]) as stage:

            async def one(feature: int) -> bool:
                async with gate:
                    try:
                        return (await stage.attempt(feature, [])).refine is not None
                    except AutointerpError:
                        return False

            began = time.perf_counter()
            found = await asyncio.gather(*(one(feature) for feature in features))
            seconds = time.perf_counter() - began
    return seconds, usage.forward_passes - before, sum(found)


def main() -> None:
    asked = parser(__doc__).parse_args()
    count = QUICK if asked.quick else FEATURES
    laboratory = open_laboratory("pystdlib", "pystdlib-sae", "stdlib", seed=asked.seed)
    with Wire(answered, latency=LATENCY) as server, tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "llm.sqlite"
        waiting, passes, good = asyncio.run(labelled(laboratory, server.openai, range(count), cache))
        computing, _, _ = asyncio.run(labelled(laboratory, server.openai, range(count), cache))
    ideal = max(1.0, count / CONCURRENCY) * LATENCY
    rows = [
        Row("explained", good, "features", baseline=count),
        Row("wall", waiting, "s", baseline=ideal),
        Row("wall over ideal", waiting / ideal, "ratio", target=None if asked.quick else "<= 1.15"),
        Row("wall, answers cached", computing, "s", baseline=ideal),
        Row("wall over the larger of ideal and computing", waiting / max(ideal, computing), "ratio"),
        Row("forward passes", passes / count, "a feature"),
    ]
    publish(f"One-shot labels of {count} features, {CONCURRENCY} at a time, {LATENCY:g} s a request", rows, asked.json)


if __name__ == "__main__":
    main()
