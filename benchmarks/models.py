"""What batches save: a patch sweep against one trace each, many clients against one after another, a trace against hooks.

    python benchmarks/models.py [--quick] [--json FILE] [--seed 0]

All on one core and in CPU time, so that what else the machine does matters little; floor and product take turns in one run, and
each figure is the median over the turns. The sweep puts every head's output at every token of one text into another, at every
layer; its rivals are a run for each patch (timed on every n-th) and runs of plain batches. The clients ask a worker for the
continuation of a short text, half of them under an edit, or for what a site holds on it. The answers have to be the same.
"""

from __future__ import annotations

import inspect
import json as stdlib_json
import statistics
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from torch import Tensor

from autointerp.models import At, Edit, Generated, Operation, Patch, Subject, exchanges, sweep
from autointerp.records import Site, SiteKind
from benchmarks._rows import Row, parser, publish

CLIENTS = 32
_BATCH = 32


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured.

    `tokens` of the patched text; every how many patches one is run by itself; `new` tokens to write, and texts to read, for
    each client; `turns` of floor and product.
    """

    tokens: int = 24
    every: int = 4
    new: int = 16
    reads: int = 6
    turns: int = 7


QUICK = Size(every=16, turns=2)


def turns(count: int, *jobs: Callable[[], object]) -> list[float]:
    """The median CPU time of each job in seconds, over turns in which each comes once; a first turn does not count."""
    spent: list[list[float]] = [[] for _ in jobs]
    for turn in range(count + 1):
        for job, times in zip(jobs, spent, strict=True):
            began = time.process_time()
            job()
            if turn:
                times.append(time.process_time() - began)
    return [statistics.median(times) for times in spent]


def snippets(subject: Subject, lengths: Sequence[int]) -> list[list[int]]:
    """Texts of so many tokens each, BOS included, out of the standard library."""
    source = subject.encode(inspect.getsource(textwrap) + inspect.getsource(stdlib_json))
    texts, start = [], 0
    for length in lengths:
        texts.append([subject.bos, *source[start : start + length - 1]])
        start += length
    return texts


def sweep_rows(subject: Subject, size: Size) -> list[Row]:
    """Layers × heads × positions of activation patching."""
    ids = torch.tensor(snippets(subject, [size.tokens, size.tokens]))
    sites = [Site(layer=layer, kind=SiteKind.HEAD_OUT) for layer in range(subject.layers)]
    heads = subject.module.config.num_attention_heads
    patches = exchanges(subject, sites, range(size.tokens), heads=heads)
    clean = subject.run(ids[1:], capture=sites).sites
    sampled = range(0, len(patches), size.every)
    found: dict[str, Tensor] = {}

    def each() -> None:
        runs = [subject.run(ids[:1], edits=[_alone(patches[n], clean)], logits=True).logits for n in sampled]
        found["each"] = torch.stack([logits[0, -1] for logits in runs if logits is not None])

    def batches() -> None:
        for start in range(0, len(patches), _BATCH):
            here = patches[start : start + _BATCH]
            edits = [_alone(patch, clean, row) for row, patch in enumerate(here)]
            subject.run(ids[:1].expand(len(here), -1), edits=edits, logits=True)

    def product() -> None:
        found["sweep"] = sweep(subject, ids, patches)

    one, plain, whole = turns(size.turns, each, batches, product)
    one, plain, whole = one / len(sampled), plain / len(patches), whole / len(patches)
    difference = float((found["sweep"][list(sampled)] - found["each"]).abs().max())
    return [
        Row("patches", len(patches), "count"),
        Row("sweep: times faster than one trace each", one / whole, "ratio", target=">= 10"),
        Row("sweep: a patch", 1e3 * whole, "ms", baseline=1e3 * one),
        Row("sweep: times faster than plain batches", plain / whole, "ratio"),
        Row("sweep: largest difference of a logit", difference, "logit", target="<= 0.0001"),
    ]


def _alone(patch: Patch, clean: dict[Site, Tensor], row: int = 0) -> Edit:
    """A patch as an edit with the value in it, for a run of its own or a row of a batch."""
    (edit,) = patch.edits
    assert isinstance(edit.positions, At)
    assert edit.part is not None
    value = clean[edit.site][0, edit.positions.indices[0], slice(*edit.part)]
    return Edit(edit.site, Operation.SET, value, edit.positions, (row,), edit.part)


def client_rows(subject: Subject, size: Size, seed: int) -> list[Row]:
    """Many clients at once against the same requests one after another."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(4, 13, (CLIENTS,), generator=generator).tolist()
    texts = snippets(subject, lengths)
    site = Site(layer=subject.layers // 2, kind=SiteKind.RESID_POST)
    direction = torch.randn(subject.width, generator=generator)

    def write(number: int) -> object:
        edit = Edit(site, Operation.ADD, direction * (number % 5), Generated() | At((-1,)))
        edits = [edit] if number % 2 else []
        return subject.generate([texts[number]], max_new_tokens=size.new, edits=edits, stop=()).texts

    def read(number: int) -> object:
        # One text after another, as an agent would.
        asked = [texts[(number + step) % CLIENTS] for step in range(size.reads)]
        return [subject.run(torch.tensor([text]), capture=[site]).sites[site] for text in asked]

    def together(ask: Callable[[int], object]) -> list[object]:
        with subject.worker(), ThreadPoolExecutor(CLIENTS) as pool:
            return list(pool.map(ask, range(CLIENTS)))

    def apart(ask: Callable[[int], object]) -> list[object]:
        return [ask(number) for number in range(CLIENTS)]

    differing = sum(ours != theirs for ours, theirs in zip(together(write), apart(write), strict=True))
    before, after = turns(size.turns, lambda: apart(write), lambda: together(write))
    slow, quick = turns(size.turns, lambda: apart(read), lambda: together(read))
    texts_read = CLIENTS * size.reads
    return [
        Row("clients", CLIENTS, "count"),
        Row("texts written: times the throughput of one after another", before / after, "ratio", target=">= 5"),
        Row("texts written: a text", 1e3 * after / CLIENTS, "ms", baseline=1e3 * before / CLIENTS),
        Row("texts written: different", differing, "count", target="<= 0"),
        Row("activations read: times the throughput of one after another", slow / quick, "ratio"),
        Row("activations read: a text", 1e3 * quick / texts_read, "ms", baseline=1e3 * slow / texts_read),
    ]


def trace_rows(subject: Subject, size: Size) -> list[Row]:
    """One run of one text against the same with torch's own hook."""
    ids = torch.tensor(snippets(subject, [size.tokens]))
    site = Site(layer=subject.layers // 2, kind=SiteKind.RESID_POST)
    block = subject.module.get_submodule(f"model.layers.{site.layer}")
    seen: list[Tensor] = []
    repeats = 20

    def hooks() -> None:
        for _ in range(repeats):
            handle = block.register_forward_hook(lambda _, __, output: seen.append(output))
            with torch.no_grad():
                subject.module(input_ids=ids)
            handle.remove()
            seen.clear()

    def traces() -> None:
        for _ in range(repeats):
            subject.run(ids, capture=[site], logits=True)

    plain, traced = (1e3 * seconds / repeats for seconds in turns(size.turns, hooks, traces))
    return [
        Row("trace: a run", traced, "ms", baseline=plain),
        Row("trace: more than plain hooks", traced - plain, "ms"),
    ]


def run(subject: Subject, size: Size, seed: int) -> list[Row]:
    """All rows, for a subject of the Llama family."""
    return [*sweep_rows(subject, size), *client_rows(subject, size, seed), *trace_rows(subject, size)]


def main() -> None:
    options = parser(__doc__).parse_args()
    torch.set_num_threads(1)
    rows = run(Subject.load("pystdlib"), QUICK if options.quick else Size(), options.seed)
    publish("What batches save, on the bundled model and one core", rows, options.json)


if __name__ == "__main__":
    main()
