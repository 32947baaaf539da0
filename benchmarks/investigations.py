"""Conclusions that can be wrong: what strategies say of planted features of known truth, and of latents that mean nothing.

    python benchmarks/investigations.py [--quick] [--json FILE] [--seed 0] [--strategies offline,investigate]
                                        [--organisms 2] [--count 2] [--nulls 20]

Features of every kind, and nulls, are planted in the bundled model; each strategy explains all of them without a language
model. A conclusion is `explained` or `polysemantic`. On a null it is false: the activations are another latent's on other text
(shuffled), a random direction's (noise), or there are none (dead). On a feature it is right where the program correlates at
least 0.7 with the truth, noise left out, on texts of the test split. The Brier score compares the stated confidence with that
(0 for nulls); its baseline is that of always stating the share that is right.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from autointerp._plugins import load_one
from autointerp.activations import IndexSettings, open_corpus, open_index
from autointerp.agents import Case, Limits, Meter, Notebook, Report, RuleScientist, Strategy
from autointerp.errors import ProgramError
from autointerp.eval.organisms.planted import Host, Order, PlantedLatent, PlantedOrganism, plant_in
from autointerp.models import Worker
from autointerp.programs import Predictor
from autointerp.records import Explanation, Intervention, Verdict
from autointerp.study import STRATEGIES, Laboratory, open_bench
from benchmarks._rows import Row, parser, publish
from benchmarks.planted import HOST, KINDS

#: Organisms, features of each kind and nulls of each kind in one, and tokens of its index.
ORGANISMS, COUNT, NULLS, TOKENS = 2, 2, 20, 300_000
QUICK_KINDS, QUICK_NULLS, QUICK_TOKENS = ("token_set", "context"), 2, 40_000
#: Correlation with the truth from which on a program is right.
RIGHT = 0.7
#: Texts of the test split on which programs are compared with the truth, half of them activating.
TEXTS = 128
CONCLUDED = (Verdict.EXPLAINED, Verdict.POLYSEMANTIC)


@dataclass(frozen=True, slots=True)
class Found:
    """What a strategy said of one latent. `agreement` is the program's with the truth, None for nulls and without either."""

    index: int
    kind: str
    null: bool
    explanation: Explanation
    agreement: float | None
    moves: float | None
    seconds: float

    @property
    def concluded(self) -> bool:
        """Whether it says that it has an explanation."""
        return self.explanation.verdict in CONCLUDED

    @property
    def right(self) -> bool:
        """Whether it says so and the truth agrees."""
        return self.concluded and self.agreement is not None and self.agreement >= RIGHT


def main() -> None:
    flags = parser(__doc__)
    flags.add_argument("--strategies", default="offline", help="with commas between; those that need no language model")
    flags.add_argument("--organisms", type=int, default=ORGANISMS, help="how many, of consecutive seeds")
    flags.add_argument("--count", type=int, default=COUNT, help="features of each kind in each")
    flags.add_argument("--nulls", type=int, default=NULLS, help="of each kind of null in each")
    options = flags.parse_args()
    if options.quick:
        orders = [Order(QUICK_KINDS, options.seed, nulls=QUICK_NULLS)]
    else:
        kinds = tuple(kind for kind in KINDS for _ in range(options.count))
        orders = [Order(kinds, options.seed + number, nulls=options.nulls) for number in range(options.organisms)]
    found: dict[str, list[Found]] = defaultdict(list)
    host = Host.open(*HOST)
    for order in orders:
        with tempfile.TemporaryDirectory() as folder:
            organism = plant_in(host, order)
            laboratory = laboratory_of(organism, QUICK_TOKENS if options.quick else TOKENS, Path(folder))
            for name in options.strategies.split(","):
                for one in asyncio.run(concluded(laboratory, organism, name)):
                    found[name].append(one)
                    _say(f"{name}: {len(found[name])} latents")
    rows = [row for name, all_ in found.items() for row in rows_of(name, all_, options.quick)]
    publish("Conclusions on planted features and nulls", rows, options.json)


def laboratory_of(organism: PlantedOrganism, tokens: int, folder: Path) -> Laboratory:
    """The organism as any model and dictionary that come from outside, with an index."""
    subject, dictionary = organism.subject(), organism.dictionary()
    index = open_index(subject, dictionary, open_corpus(HOST[2]), settings=IndexSettings(tokens=tokens), folder=folder)
    return Laboratory(subject, dictionary, index, seed=0)


async def concluded(laboratory: Laboratory, organism: PlantedOrganism, strategy: str) -> list[Found]:
    """What a strategy says of every planted latent and every null."""
    found = []
    for index, kind, latent in latents_of(organism):
        began = time.perf_counter()
        report = await explained(laboratory, index, strategy)
        seconds = time.perf_counter() - began
        explanation = report.explanation
        agrees = None if latent is None else agreement(laboratory, latent, explanation)
        moves = None if latent is None else true_claims(explanation, latent)
        found.append(Found(index, kind, latent is None, explanation, agrees, moves, seconds))
        _say(f"{strategy}: {len(found)} latents")
    return found


def latents_of(organism: PlantedOrganism) -> Iterator[tuple[int, str, PlantedLatent | None]]:
    """Number, kind, and what it is; None for nulls."""
    for latent in organism.truth().latents:
        yield latent.index, latent.kind, latent
    for kind, numbers in organism.truth().nulls.items():
        for number in numbers:
            yield number, f"null: {kind}", None


async def explained(laboratory: Laboratory, index: int, strategy: str) -> Report:
    """Run a strategy on one latent, as `autointerp explain` does, without having it graded."""
    kind: Strategy = load_one(STRATEGIES, strategy)()
    with ExitStack() as stack:
        predictor = stack.enter_context(Predictor())
        bench, gate = open_bench(laboratory, laboratory.feature(index), predictor)
        stack.enter_context(Worker(laboratory.subject))
        notebook = Notebook(None)
        stack.callback(notebook.close)
        case = Case(bench, gate, predictor, RuleScientist(), notebook, Meter(notebook, Limits()))
        return await kind.run(case)


def agreement(laboratory: Laboratory, latent: PlantedLatent, explanation: Explanation) -> float | None:
    """Correlation of the program with the truth, noise left out; None where either is not there or constant."""
    if explanation.predictor is None or latent.function is None:
        return None
    view = laboratory.index.test
    maxima = view.windows(latent.index).maxima()
    random = np.random.default_rng([laboratory.seed, latent.index, 31])
    chosen = np.concatenate(
        [random.permutation(np.flatnonzero(side))[: TEXTS // 2] for side in (maxima > 0, maxima == 0)]
    )
    strings = laboratory.subject.strings
    texts = [
        [strings[i] for i in row[1:length]]
        for row, length in zip(view.tokens[chosen], view.lengths[chosen], strict=True)
    ]
    with Predictor() as predictor:
        try:
            said = predictor(explanation.predictor, texts)
        except ProgramError:
            return None
    told = np.concatenate([np.asarray(row) for row in said])
    true = np.concatenate([np.asarray(latent.activations(text), dtype=np.float64) for text in texts])
    return float(np.corrcoef(told, true)[0, 1]) if told.std() and true.std() else None


def true_claims(explanation: Explanation, latent: PlantedLatent) -> float | None:
    """The share of tokens claimed to lose by ablation, or to gain, of which the truth says so; None without claims."""
    named = [
        (token, claim.sign)
        for claim in explanation.effects
        if claim.intervention is Intervention.ABLATE
        for token in claim.token_ids
    ]
    if not named:
        return None
    falls = 1 if latent.effect.per_unit > 0 else -1
    return float(np.mean([token in latent.effect.ids and sign == -falls for token, sign in named]))


def rows_of(strategy: str, found: Sequence[Found], quick: bool) -> list[Row]:
    """Rates over all latents, then by kind."""
    nulls, real = [f for f in found if f.null], [f for f in found if not f.null]
    known = [f for f in real if f.agreement is not None]
    concluded = [f for f in known if f.concluded]
    brier, base = calibration(found)
    rows = [
        Row("latents", len(found), "count"),
        Row("seconds a latent", float(np.mean([f.seconds for f in found])), "s"),
        Row(
            "false conclusions on nulls",
            share(f.concluded for f in nulls),
            "share",
            target=None if quick else "<= 0.05",
        ),
        Row("conclusions on planted features", share(f.concluded for f in real), "share"),
        Row("right, of planted features with a rule", share(f.right for f in real if f.kind != "output_only"), "share"),
        Row("right, of those concluded", share(f.right for f in concluded), "share"),
        Row("Brier score of stated confidence", brier, "score", baseline=base),
    ]
    for low in (0.0, 0.25, 0.5, 0.75):
        inside = [
            f
            for f in found
            if low <= f.explanation.confidence < low + 0.25 or (low == 0.75 and f.explanation.confidence == 1)
        ]
        if inside:
            stated = float(np.mean([f.explanation.confidence for f in inside]))
            rows.append(
                Row(
                    f"right, at confidence {low:.2f} to {low + 0.25:.2f} ({len(inside)})",
                    share(f.right for f in inside),
                    "share",
                    baseline=stated,
                )
            )
    for kind in sorted({f.kind for f in found}):
        own = [f for f in found if f.kind == kind]
        rows.append(Row(f"{kind}: concluded, of {len(own)}", share(f.concluded for f in own), "share"))
        agreements = [f.agreement for f in own if f.agreement is not None]
        if agreements:
            rows.append(Row(f"{kind}: agreement with the truth, mean", float(np.mean(agreements)), "correlation"))
        moves = [f.moves for f in own if f.moves is not None]
        if moves:
            rows.append(Row(f"{kind}: claimed tokens that the truth has", float(np.mean(moves)), "share"))
        rows.append(
            Row(
                f"{kind}: stated confidence, mean",
                float(np.mean([f.explanation.confidence for f in own])),
                "probability",
            )
        )
    return [Row(f"{strategy}, {row.name}", row.value, row.unit, row.baseline, row.target) for row in rows]


def calibration(found: Sequence[Found]) -> tuple[float, float]:
    """Brier score of the stated confidences (Brier 1950), and of stating the share that is right every time."""
    stated = np.array([f.explanation.confidence for f in found])
    right = np.array([f.right for f in found], dtype=np.float64)
    return float(np.mean((stated - right) ** 2)), float(right.mean() * (1 - right.mean()))


def share(values: Iterable[bool]) -> float:
    """Of how many it is so; 0 of none."""
    listed = list(values)
    return sum(listed) / len(listed) if listed else 0.0


def _say(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text}   ", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
