"""Do the networks of known truth compute their programs, and do their components carry the variables they are said to carry?

    python -m benchmarks.organisms [--quick] [--json FILE] [--seeds N] [--level N] [--only NAME …] [--misleading N]

At level 0 every program of the library is run on every input up to its length (10,000 random ones where there are 100,000 or
more) and compared with an interpreter that shares nothing with the compiler. At every level accuracy, the accuracy of
interchange interventions for the true causal model and for a scrambled one of the same size, and the effect of resampling what
belongs to no variable are measured on inputs that were kept for grading. Then random programs, one for each seed. Networks of
level 2 are trained, and kept in the cache folder. Last, with --misleading N, the networks that mislead, for N seeds each: every
adversarial circuit, and every hidden behaviour with its clean twin.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from autointerp.errors import OrganismError
from autointerp.eval.organisms import CircuitOrganism, Measured, kinds, make_organism
from autointerp.eval.organisms.programs import LIBRARY, random_program
from autointerp.eval.organisms.rasp import NOTHING, Program, interpret
from benchmarks._rows import Row, parser, publish

EXHAUSTIVE, OTHERWISE = 100_000, 10_000
QUICK_PROGRAMS = ("histogram", "sort", "opener", "induction", "above-mean")
QUICK_TRAINED = ("first",)


@dataclass(slots=True)
class Tally:
    """What was measured of many organisms."""

    figures: dict[str, list[Measured]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def add(self, label: str, kind: str, name: str, seed: int, **knobs: int) -> None:
        """Make an organism and measure it."""
        began = time.monotonic()
        try:
            organism = make_organism(f"{kind}/{name}", seed=seed, **knobs)
        except OrganismError as error:
            self.failed.append(label)
            _say(f"{label}: {error}", keep=True)
            return
        self.seconds.append(time.monotonic() - began)
        assert isinstance(organism, CircuitOrganism)
        measured = organism.check(seed=seed)
        if kind == "compiled" and knobs.get("level", 0) == 0:
            program = random_program(seed) if name == "random" else LIBRARY[name].build()
            measured.append(Measured("inputs answered exactly", exactness(organism, program), floor=1.0))
        for figure in measured:
            self.figures.setdefault(figure.name, []).append(figure)
        if missed := [f"{figure.name} {figure.value:.4f}" for figure in measured if not figure.holds]:
            self.failed.append(label)
            _say(f"{label}: {', '.join(missed)}", keep=True)

    def rows(self, title: str) -> Iterable[Row]:
        """The worst and the mean of each figure."""
        yield Row(f"{title}: made", len(self.seconds), "count")
        yield Row(f"{title}: truth fails", len(self.failed), "count", target="<= 0")
        for name, figures in self.figures.items():
            values = [figure.value for figure in figures]
            bound = figures[0]
            if bound.ceiling is not None:
                yield Row(f"{title}: {name}, highest", max(values), "share", target=f"<= {bound.ceiling}")
            else:
                target = None if bound.floor is None else f">= {bound.floor}"
                yield Row(f"{title}: {name}, lowest", min(values), "share", target=target)
            yield Row(f"{title}: {name}, mean", float(np.mean(values)), "share")
        if self.seconds:
            yield Row(f"{title}: seconds to make or to load, median", float(np.median(self.seconds)), "s")
            yield Row(f"{title}: seconds to make or to load, most", max(self.seconds), "s")


def exactness(organism: CircuitOrganism, program: Program) -> float:
    """The share of inputs for which every token is answered as the interpreter does."""
    model, random = organism.circuit.model, np.random.default_rng(0)
    inputs = model.inputs(below=EXHAUSTIVE, otherwise=OTHERWISE, random=random)
    # The organism's letters are not the program's, but they come in the same order.
    texts = dict(zip(map(str, program.vocabulary), map(str, model.vocabulary), strict=True))
    answers = organism.answers(inputs)
    right = 0
    for row, answer in zip(inputs, answers, strict=True):
        tokens = [program.vocabulary[i] for i in row if i != NOTHING]
        wanted = [str(value) for value in interpret(program, tokens)]
        right += [texts.get(text, text) for text in wanted] == list(answer[: len(tokens)])
    return right / len(inputs)


def library(names: Sequence[str], level: int, seed: int) -> Tally:
    tally = Tally()
    for number, name in enumerate(names, start=1):
        _say(f"level {level}: {name}, {number} of {len(names)}")
        tally.add(f"{name} at level {level}", "compiled", name, seed, level=level)
    return tally


def sweep(seeds: Iterable[int], knobs: Mapping[str, int]) -> Tally:
    tally = Tally()
    for seed in seeds:
        _say(f"random program {seed}")
        tally.add(f"random program {seed}", "compiled", "random", seed, **knobs)
    return tally


def misleading(kind: str, seeds: Iterable[int]) -> Tally:
    tally = Tally()
    for seed in seeds:
        for name in kinds()[kind].names():
            _say(f"{kind}/{name}, seed {seed}")
            tally.add(f"{kind}/{name}, seed {seed}", kind, name, seed)
    return tally


def _say(text: str, *, keep: bool = False) -> None:
    if keep:
        print(text, file=sys.stderr, flush=True)
    elif sys.stderr.isatty():
        print(f"\r{text:60}", end="", file=sys.stderr, flush=True)


def main() -> None:
    flags = parser(__doc__)
    flags.add_argument("--seeds", type=int, default=None, help="how many random programs, default 300")
    flags.add_argument("--level", type=int, action="append", help="only this level of the library; may be repeated")
    flags.add_argument("--only", nargs="+", help="only these programs of the library")
    flags.add_argument(
        "--misleading", type=int, default=0, metavar="N", help="how many seeds of what misleads, default none"
    )
    options = flags.parse_args()
    rows: list[Row] = []
    for level in options.level if options.level is not None else (0, 1, 2):
        names = options.only or (QUICK_TRAINED if level == 2 else QUICK_PROGRAMS if options.quick else tuple(LIBRARY))
        names = tuple(LIBRARY) if level == 2 and not options.quick and not options.only else names
        rows += library(names, level, options.seed).rows(f"library, level {level}")
    count = options.seeds if options.seeds is not None else 10 if options.quick else 300
    if count:
        rows += sweep(range(options.seed, options.seed + count), {}).rows("random programs")
    for kind in ("adversarial", "backdoor"):
        if options.misleading:
            rows += misleading(kind, range(options.seed, options.seed + options.misleading)).rows(kind)
    publish("Networks of known truth", rows, options.json)


if __name__ == "__main__":
    main()
