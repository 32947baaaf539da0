"""Do the free scores order explanations by how true they are?

    python -m benchmarks.scorer_validity [--quick] [--json FILE] [--seed N]

Features that are active on known sets of tokens are planted in the bundled model. Each is explained by its exact program, by
that program with 10, 25 and 50% of its tokens taken away or as many wrong ones added, and by another feature's program. True
quality is 1 less the share that is wrong, and 0 for another feature's. Printed for every scorer: Spearman's rho of score and
quality over the explanations of each feature, in the mean, and how often a worse explanation scores above a better one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from autointerp.activations import IndexSettings, build_index, index_key, open_corpus
from autointerp.eval.organisms.planted import PlantedFeatures, PlantedLatent
from autointerp.records import Explanation, Program, Score, Verdict
from autointerp.scoring import grade, ranks
from autointerp.study import Laboratory
from autointerp.study._exams import Exams, beside
from benchmarks._rows import Row, parser, publish

METRICS = ("simulation", "firing", "substitution", "prediction")
SHARES = (0.1, 0.25, 0.5)
FEATURES, QUICK = 8, 2


@dataclass(frozen=True)
class Made:
    """An explanation and how true it is, 0 to 1."""

    name: str
    program: Program
    quality: float


def explanations(
    table: dict[str, float], other: dict[str, float], vocabulary: list[str], random: np.random.Generator
) -> list[Made]:
    """All of one feature; the tables are activations by token."""
    made = [Made("exact", look_up(table), 1.0), Made("another feature's", look_up(other), 0.0)]
    tokens = sorted(table)
    wrong = [token for token in vocabulary if token not in table]
    for share in SHARES:
        count = max(1, round(share * len(tokens)))
        gone = set(random.choice(tokens, size=count, replace=False).tolist())
        made.append(Made(f"{share:.0%} removed", look_up({t: v for t, v in table.items() if t not in gone}), 1 - share))
        mean = float(np.mean(list(table.values())))
        more = dict.fromkeys(random.choice(wrong, size=count, replace=False).tolist(), mean)
        made.append(Made(f"{share:.0%} widened", look_up(table | more), 1 - share))
    return made


def look_up(table: dict[str, float]) -> Program:
    return Program(source=f"def predict(tokens):\n    return [{table!r}.get(t, 0.0) for t in tokens]\n")


def table_of(latent: PlantedLatent, vocabulary: list[str]) -> dict[str, float]:
    values = {token: latent.activations([token])[0] for token in vocabulary}
    return {token: value for token, value in values.items() if value}


def main() -> None:
    options = parser(__doc__).parse_args()
    count = QUICK if options.quick else FEATURES
    organism = PlantedFeatures().make("token_set", seed=options.seed, count=count, noise=0.0)
    subject, dictionary, corpus = organism.subject(), organism.dictionary(), open_corpus("stdlib")
    settings = IndexSettings(tokens=100_000 if options.quick else 300_000)
    random = np.random.default_rng(options.seed)
    vocabulary = list(dict.fromkeys(subject.strings))
    latents = organism.truth().latents
    tables = [table_of(latent, vocabulary) for latent in latents]
    found: dict[str, list[tuple[list[float], list[float]]]] = {name: [] for name in METRICS}
    with TemporaryDirectory() as folder:
        key = index_key(subject, dictionary, corpus, settings)
        index = build_index(subject, dictionary, corpus, Path(folder) / "index", key=key, settings=settings)
        exams = Exams(Laboratory(subject, dictionary, index, options.seed))
        for number, latent in enumerate(latents):
            exam, controls = exams.open(latent.index)
            controls = beside(controls, None, None)
            other = tables[(number + 1) % len(tables)]
            made = explanations(tables[number], other, vocabulary, random)
            results = [[g.result for g in grade(explained(m.program), exam, controls, metrics=METRICS)] for m in made]
            for column, name in enumerate(METRICS):
                pairs = [(r[column], m.quality) for r, m in zip(results, made, strict=True)]
                scored = [(s.value, quality) for s, quality in pairs if isinstance(s, Score)]
                found[name].append(([v for v, _ in scored], [q for _, q in scored]))
    rows = [Row("features", len(latents), "count")]
    for name, columns in found.items():
        target = ">= 0.9" if name in ("simulation", "substitution") else None
        rho = [spearman(values, qualities) for values, qualities in columns]
        rows.append(Row(f"{name}: Spearman's rho", float(np.nanmean(rho)), "rho", target=target))
        rows.append(Row(f"{name}: worse above better", float(np.mean([inverted(*c) for c in columns])), "share"))
    publish("Scores against true quality", rows, options.json)


def explained(program: Program) -> Explanation:
    return Explanation(
        summary="made", fires_on="", promotes="", predictor=program, verdict=Verdict.EXPLAINED, confidence=1.0
    )


def spearman(values: list[float], qualities: list[float]) -> float:
    return float(np.corrcoef(ranks(np.array(values)), ranks(np.array(qualities)))[0, 1])


def inverted(values: list[float], qualities: list[float]) -> float:
    """The share of pairs of unlike quality in which the worse one has the higher score."""
    pairs = [(i, j) for i in range(len(values)) for j in range(len(values)) if qualities[i] < qualities[j]]
    return float(np.mean([values[i] > values[j] for i, j in pairs])) if pairs else 0.0


if __name__ == "__main__":
    main()
