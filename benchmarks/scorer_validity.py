"""Do the scores order explanations by how true they are?

    python -m benchmarks.scorer_validity [--quick] [--json FILE] [--seed N]

Features are planted in the bundled model: sets of tokens, and tokens that count only shortly after certain others. Each is
explained rightly and wrongly in known ways (`benchmarks/scorer_explanations.py`), and how true each explanation is, is
computed from the organism's truth on fresh texts, without the network. Every score is taken as `autointerp score` takes it.
Judged scores ask a judge that is no language model (`benchmarks/scorer_judge.py`); the bundled model embeds and reads.

Printed for every score: Spearman's rho of score and truth over the explanations of a feature, in the mean over features; how
often, of two explanations of which one is truer by 0.05 or more, the less true one scores as high or higher; and by kind of
error the share of features for which the wrong explanation scores as high as the right one. An explanation that a score refuses
(`Unscored`) has no rank; how many are refused stands beside it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from autointerp.activations import IndexSettings, build_index, index_key, open_corpus
from autointerp.eval.organisms.planted import Host, Order, plant_in
from autointerp.records import Score
from autointerp.scoring import Judge, Judges, grade, ranks
from autointerp.study import Exams, Laboratory
from autointerp.testing import ScriptedLLM
from benchmarks._rows import Row, parser, publish
from benchmarks.scorer_explanations import EXACT, Made, about_inputs, about_outputs
from benchmarks.scorer_judge import answer

KINDS = ("token_set", "context")
EACH = 4
FRESH, QUICK_FRESH = 1200, 200
TOKENS, QUICK_TOKENS = 300_000, 40_000
FREE = ("simulation", "firing", "substitution", "prediction")
JUDGED = (
    *("simulation_by_llm", "detection", "fuzzing", "generation", "clarity", "responsiveness", "purity"),
    *("embedding", "surprisal"),
)
CLAIMS = ("intervention_accuracy", "steering")
AIMED = ("simulation", "substitution", "intervention_accuracy")
#: Scores that run a model over whole texts for every explanation are taken for the first so many features.
SLOW, FEW = ("surprisal",), 2
#: Two explanations are told apart where their truths differ by so much.
APART = 0.05


@dataclass(frozen=True)
class Ranked:
    """The explanations of one feature: what is wrong with each, how true it is, and its score; None where it is refused."""

    errors: tuple[str, ...]
    truth: tuple[float, ...]
    scores: tuple[float | None, ...]

    def rho(self) -> float:
        """Spearman's correlation of score and truth over what is scored."""
        known = [(s, q) for s, q in zip(self.scores, self.truth, strict=True) if s is not None]
        if len({s for s, _ in known}) < 2:
            return 0.0
        scores, truth = zip(*known, strict=True)
        return float(np.corrcoef(ranks(np.array(scores)), ranks(np.array(truth)))[0, 1])

    def inverted(self) -> float:
        """Of the pairs whose truths differ, the share in which the less true one scores as high or higher."""
        known = [(s, q) for s, q in zip(self.scores, self.truth, strict=True) if s is not None]
        pairs = [(a, b) for a, p in known for b, q in known if p <= q - APART]
        return float(np.mean([a >= b for a, b in pairs])) if pairs else 0.0

    def passing(self) -> dict[str, bool]:
        """By kind of error, whether it scores as high as the right explanation; refused ones do not."""
        right = self.scores[self.errors.index(EXACT)]
        return {
            error: right is not None and score is not None and score >= right
            for error, score, truth in zip(self.errors, self.scores, self.truth, strict=True)
            if truth <= self.truth[self.errors.index(EXACT)] - APART
        }


def main() -> None:
    options = parser(__doc__).parse_args()
    fresh, tokens = (QUICK_FRESH, QUICK_TOKENS) if options.quick else (FRESH, TOKENS)
    host = Host.open("pystdlib", "pystdlib-sae", "stdlib")
    organism = plant_in(host, Order(KINDS * (1 if options.quick else EACH), options.seed, nulls=0, noise=0.0))
    subject, dictionary, corpus = organism.subject(), organism.dictionary(), open_corpus("stdlib")
    truth = organism.truth()
    texts = [truth.tokens(text) for text in organism.sample(fresh, seed=options.seed, fresh=True)]
    settings = IndexSettings(tokens=tokens)
    random = np.random.default_rng(options.seed)
    found: dict[str, list[Ranked]] = defaultdict(list)
    with TemporaryDirectory() as folder, asyncio.Runner() as runner:
        key = index_key(subject, dictionary, corpus, settings)
        index = build_index(subject, dictionary, corpus, Path(folder) / "index", key=key, settings=settings)
        exams = Exams(Laboratory(subject, dictionary, index, options.seed))
        asked = Judge(ScriptedLLM(answer), runner)
        judges = Judges(judge=asked, simulator=asked, embedder=host.subject, reader=host.subject)
        for number, latent in enumerate(truth.latents):
            other = truth.latents[(number + len(KINDS)) % len(truth.latents)]
            about = (latent, other, subject.strings, texts, random)
            judged = [name for name in JUDGED if name not in SLOW or number < FEW]
            asked_for = ((*FREE, "fuzzing"), CLAIMS[:1]) if options.quick else ((*FREE, *judged), CLAIMS)
            for made, metrics in zip((about_inputs(*about), about_outputs(*about)), asked_for, strict=True):
                for name, ranked in scored(exams, latent.index, made, metrics, judges).items():
                    found[name].append(ranked)
            if options.quick:
                break
            print(f"{number + 1} of {len(truth.latents)}", flush=True)
    publish("Scores against true quality", table(found, 1 if options.quick else len(truth.latents)), options.json)


def scored(
    exams: Exams, feature: int, made: Sequence[Made], metrics: Sequence[str], judges: Judges
) -> dict[str, Ranked]:
    """Every score of every explanation of a feature."""
    exam, controls = exams.open(feature)
    results = [
        [g.result for g in grade(m.explanation, exam, replace(controls, shuffled=None), metrics=metrics, judges=judges)]
        for m in made
    ]
    errors, truth = tuple(m.error for m in made), tuple(m.quality for m in made)
    columns = zip(metrics, zip(*results, strict=True), strict=True)
    return {
        name: Ranked(errors, truth, tuple(r.value if isinstance(r, Score) else None for r in column))
        for name, column in columns
    }


def table(found: dict[str, list[Ranked]], features: int) -> list[Row]:
    """Best scores first; the kinds of error that pass as right below each."""
    rows = [Row("features", features, "count")]
    for name, ranked in sorted(found.items(), key=lambda item: -np.mean([r.rho() for r in item[1]])):
        rho = float(np.mean([r.rho() for r in ranked]))
        rows.append(Row(f"{name}: Spearman's rho", rho, "rho", target=">= 0.9" if name in AIMED else None))
        rows.append(Row(f"{name}: less true scores as high", float(np.mean([r.inverted() for r in ranked])), "share"))
        rows.append(Row(f"{name}: refused", float(np.mean([r.scores.count(None) for r in ranked])), "each feature"))
        passing: dict[str, list[bool]] = defaultdict(list)
        for one in ranked:
            for error, passes in one.passing().items():
                passing[error].append(passes)
        shares = {error: float(np.mean(some)) for error, some in passing.items()}
        rows += [Row(f"{name}: {error} passes as right", share, "share") for error, share in shares.items() if share]
    return rows


if __name__ == "__main__":
    main()
