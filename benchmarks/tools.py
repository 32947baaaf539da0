"""What joining the calls of many scientists into batches saves, and what calling tools from a sandbox costs.

32 scientists, each with a toolbox of its own, make the same calls: one after the other without a worker, and all at once
through the model's one worker. Beside it, what the model alone gains from passes of many texts, which is all that joining can
give where the rest of a call takes no time. And a program in the sandbox that calls a tool 100 times: the share of its time
that is spent in the model.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from autointerp.models import Subject
from autointerp.study import Laboratory, open_laboratory
from autointerp.study._bench import bench_of
from autointerp.tools import Called, Toolbox, Workbench
from benchmarks._rows import Row, parser, publish

CLIENTS = 32
FEATURE = 1234


@dataclass(frozen=True)
class Size:
    """`calls` are those of each scientist, `turns` how often each way is timed: the quickest counts."""

    calls: int = 8
    turns: int = 3
    tokens: int = 300_000


QUICK = Size(calls=2, turns=1, tokens=20_000)


def texts(client: int, call: int) -> list[str]:
    """Short and different for every call, as texts that scientists try out are."""
    names = ("count", "item", "key", "node", "path", "size", "text", "value")
    a, b = names[client % 8], names[(client // 8 + call) % 8]
    return [f"def {a}_{client}({b}, {call})"]


def calls_of(client: int, size: Size) -> list[tuple[str, dict[str, object]]]:
    """What one scientist asks: activations, an ablation and a dose of steering, in turn."""
    made: list[tuple[str, dict[str, object]]] = []
    for call in range(size.calls):
        given = texts(client, call)
        made.append(
            [
                ("activations_on", {"texts": given}),
                ("ablate", {"texts": given}),
                ("steer", {"texts": given, "strengths": [2.0]}),
            ][(client + call) % 3]  # type: ignore[arg-type]
        )
    return made


def one_by_one(bench: Workbench, size: Size) -> float:
    """Seconds for all calls of all scientists, one after the other."""
    toolbox = Toolbox(bench, sandbox=None)
    began = time.monotonic()
    for client in range(CLIENTS):
        for name, arguments in calls_of(client, size):
            toolbox.call(name, arguments)
    return time.monotonic() - began


def all_at_once(bench: Workbench, size: Size) -> tuple[float, int]:
    """Seconds for the same calls from coroutines that each wait for an answer before the next call; and forward passes."""

    async def scientist(client: int) -> list[Called]:
        async with Toolbox(bench, sandbox=None) as toolbox:
            return [await toolbox.acall(name, arguments) for name, arguments in calls_of(client, size)]

    async def run() -> None:
        await asyncio.gather(*map(scientist, range(CLIENTS)))

    before = bench.subject.usage.forward_passes
    began = time.monotonic()
    asyncio.run(run())
    return time.monotonic() - began, bench.subject.usage.forward_passes - before


class Stopwatch:
    """Adds up the time that is spent in `Subject.run`."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._run = Subject.run

    def __enter__(self) -> Stopwatch:
        run = self._run

        def timed(*args: object, **kwargs: object) -> object:
            began = time.monotonic()
            try:
                return run(*args, **kwargs)  # type: ignore[arg-type]
            finally:
                self.seconds += time.monotonic() - began

        Subject.run = timed  # type: ignore[assignment, method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        Subject.run = self._run  # type: ignore[method-assign]


def program(name: str, count: int) -> str:
    """Code that calls a tool so many times, on a text that differs each time."""
    return (
        f"found = []\nfor i in range({count}):\n"
        f"    text = f'def check_{{i}}(path, size):\\n    return path[{{i}}] + size\\n'\n"
        f"    found.append({name}(texts=[text]))\nlen(found)"
    )


def from_code(bench: Workbench, name: str, count: int = 100) -> tuple[float, float]:
    """Seconds of a program that calls a tool `count` times, and the share of them that the model takes."""
    with Toolbox(bench) as toolbox:
        # The sandbox starts once in an investigation.
        toolbox.call("run_code", {"code": "0"})
        with Stopwatch() as model:
            began = time.monotonic()
            called = toolbox.call("run_code", {"code": program(name, count)})
            seconds = time.monotonic() - began
    assert called.data["value"] == str(count)
    return seconds, model.seconds / seconds


def model_alone(bench: Workbench, rows: int = 16, repeats: int = 5) -> float:
    """How many times more texts the model reads in passes of `rows` than in passes of one: what joining can save at most."""
    subject = bench.subject
    ids = [[subject.bos, *subject.encode(texts(client, 0)[0])] for client in range(rows)]
    places = torch.tensor([len(text) - 1 for text in ids])

    def seconds(some: list[list[int]], at: torch.Tensor) -> float:
        subject.run(subject.batch(some), logits=at)
        began = time.monotonic()
        for _ in range(repeats):
            subject.run(subject.batch(some), logits=at)
        return (time.monotonic() - began) / repeats

    alone = sum(seconds([text], place[None]) for text, place in zip(ids, places, strict=True))
    return alone / seconds(ids, places)


def run(laboratory: Laboratory, size: Size, feature: int = FEATURE) -> list[Row]:
    """All rows."""
    bench = bench_of(laboratory, laboratory.feature(feature))
    total = CLIENTS * size.calls
    one_by_one(bench, Size(calls=1))
    serial = min(one_by_one(bench, size) for _ in range(size.turns))
    seconds, passes = min(all_at_once(bench, size) for _ in range(size.turns))
    alone = sum(2 if name != "activations_on" else 1 for c in range(CLIENTS) for name, _ in calls_of(c, size))
    rows = [
        Row("one scientist, one call after the other", total / serial, "calls a second"),
        Row(f"{CLIENTS} scientists at once", total / seconds, "calls a second", baseline=total / serial),
        Row("times the throughput", serial / seconds, "x", baseline=1.0, target=">= 5"),
        Row("texts of the model alone, 16 in a pass against one", model_alone(bench), "x"),
        Row("forward passes", float(passes), "passes", baseline=float(alone)),
    ]
    for name in ("activations_on", "ablate"):
        spent, share = from_code(bench, name)
        rows.append(Row(f"100 calls of {name} from the sandbox", spent, "s"))
        rows.append(Row(f"share of that in the model, {name}", share, "", target="> 0.8"))
    return rows


def main() -> None:
    options = parser(__doc__).parse_args()
    size = QUICK if options.quick else Size()
    torch.set_num_threads(1)
    laboratory = open_laboratory("pystdlib", "pystdlib-sae", "stdlib", tokens=size.tokens, seed=options.seed)
    path: Path | None = options.json
    publish("What tools cost, on the bundled model and one core", run(laboratory, size), path)


if __name__ == "__main__":
    main()
