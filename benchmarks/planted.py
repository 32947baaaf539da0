"""Planted features: do they do what their truth says, what do they cost the host, and can they be told from the others?

    python benchmarks/planted.py [--quick] [--json FILE] [--seed 0]

Every kind of feature is planted in the bundled model, for several seeds. Agreement of activations with the truth, effects on
the logits and the rise of the host's loss are measured on fresh texts. A classifier then tries to tell planted latents from
the others of the dictionary by what can be seen of a latent; its AUROC is on seeds that it did not learn from, and 0.5 is
chance. The baseline beside it is the same for a random group of other latents.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from numpy.typing import NDArray

from autointerp.eval.organisms.planted import Host, Order, PlantedOrganism, plant_in
from autointerp.eval.organisms.planted._checking import measured
from benchmarks._rows import Row, parser, publish

Floats = NDArray[np.float64]

HOST = ("pystdlib", "pystdlib-sae", "stdlib")
KINDS = (
    "absorbed",
    "context",
    "counting",
    "format",
    "long_range",
    "negated",
    "output_only",
    "polysemantic",
    "position",
    "split",
    "thresholded",
    "token_set",
    "tokenisation",
    "twins",
)
NOISES = (0.0, 0.2)
#: What is looked at to tell latents apart.
STATISTICS = (
    "log density",
    "log mean activation",
    "log largest activation",
    "log kurtosis of activations",
    "encoder norm",
    "decoder norm",
    "encoder bias",
    "cosine of encoder and decoder",
    "largest cosine of encoders",
    "largest cosine of decoders",
    "mean below the threshold",
    "deviation below the threshold",
)
#: Fewer activations say nothing about their distribution.
LEAST_ACTIVE = 8
RIDGE, STEPS = 1e-2, 50


@dataclass(frozen=True)
class Seen:
    """What can be seen of the latents of one dictionary, [latents, statistics], and which of them are planted."""

    statistics: Floats
    planted: NDArray[np.bool_]


def main() -> None:
    options = parser(__doc__).parse_args()
    host = Host.open(*HOST)
    texts, seeds, fewer, dictionaries = (96, 2, 60, 2) if options.quick else (1000, 2, 150, 6)
    rows = checked(host, options.seed, seeds, texts)
    rows += noises(host, options.seed, texts // 2)
    rows += told_apart(host, options.seed, dictionaries, fewer)
    publish("Planted features in the bundled model", rows, options.json)


def checked(host: Host, seed: int, seeds: int, texts: int) -> list[Row]:
    """The organism's own check, the worst over some seeds; how long it takes to make one."""
    times, found = [], []
    for number in range(seed, seed + seeds):
        began = time.process_time()
        organism = plant_in(host, Order(KINDS, number))
        times.append(time.process_time() - began)
        found.append({figure.name: figure.value for figure in organism.check(seed=number, count=texts)})
    goal = 1 - Order(KINDS, 0).noise
    off = max(abs(figures["agreement with the truth, mean"] - goal) for figures in found)
    by_name = {name: [figures[name] for figures in found] for name in found[0]}
    densities = by_name["density as a share of that stated, median"]
    return [
        Row("agreement with the truth, largest error over seeds", off, "correlation", target="<= 0.01"),
        Row("agreement, least of a latent", min(by_name["agreement with the truth, least"]), "correlation", goal),
        Row("density over that stated, median of latents", float(np.median(densities)), "ratio", 1.0),
        Row("effects of the stated sign", min(by_name["effects of the stated sign"]), "share", 0.5, ">= 1"),
        Row("error of an effect's size", max(by_name["error of an effect's size, largest"]), "share", target="<= 0.01"),
        Row("rise of the host's loss", max(by_name["rise of the host's loss"]), "share", 0.0, "<= 0.02"),
        Row("time to make one", float(np.median(times)), "CPU seconds"),
    ]


def noises(host: Host, seed: int, texts: int) -> list[Row]:
    """Agreement by the noise knob."""
    rows = []
    for noise in NOISES:
        organism = plant_in(host, Order(KINDS, seed, noise=noise))
        sample = organism.sample(texts, seed=seed + 1, fresh=True)
        figures, _ = measured(
            organism.subject(), organism.dictionary(), organism.truth(), sample, noise=noise, seed=seed
        )
        found = next(figure.value for figure in figures if figure.name == "agreement with the truth, mean")
        rows.append(
            Row(f"error of agreement at noise {noise}", abs(found - 1 + noise), "correlation", target="<= 0.01")
        )
    return rows


def told_apart(host: Host, seed: int, seeds: int, texts: int) -> list[Row]:
    """How well planted latents can be told from others."""
    dictionaries = [look(plant_in(host, Order(KINDS, n, nulls=0)), texts, n) for n in range(seed, seed + seeds)]
    random = np.random.default_rng(seed)
    sham = [Seen(d.statistics[~d.planted], shammed(random, (~d.planted).sum(), d.planted.sum())) for d in dictionaries]
    together = auroc_of_classifier(dictionaries)
    rows = [Row("AUROC of a classifier, planted against others", together, "AUROC", auroc_of_classifier(sham))]
    single = []
    for column, name in enumerate(STATISTICS):
        scores = np.concatenate([d.statistics[:, column] for d in dictionaries])
        labels = np.concatenate([d.planted for d in dictionaries])
        single.append((abs(auroc(scores, labels) - 0.5) + 0.5, name))
    rows += [Row(f"AUROC by {name}", value, "AUROC", 0.5) for value, name in sorted(single, reverse=True)]
    return rows


def shammed(random: np.random.Generator, size: int, count: int) -> NDArray[np.bool_]:
    labels = np.zeros(size, dtype=bool)
    labels[random.choice(size, size=count, replace=False)] = True
    return labels


def look(organism: PlantedOrganism, texts: int, seed: int) -> Seen:
    """The statistics of every latent that is active often enough on some texts."""
    subject, source = organism.subject(), organism.source
    assert source.place is not None
    parts = []
    sample = organism.sample(texts, seed=seed, fresh=True)
    for start in range(0, texts, 32):
        encoded = [[subject.bos, *subject.encode(text)] for text in sample[start : start + 32]]
        read = subject.run(subject.pad(encoded), capture=[source.place]).sites[source.place]
        parts += [x[1 : len(row)] for x, row in zip(read, encoded, strict=True)]
    stream = torch.cat(parts).double().numpy()
    encoder, decoder, b_enc = source.tensor("W_enc").T, source.tensor("W_dec"), source.tensor("b_enc")
    found = stream @ encoder.T + source.offsets(encoder, b_enc)
    active = found > source.threshold
    kept = np.flatnonzero(active.sum(0) >= LEAST_ACTIVE)
    units = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (encoder, decoder)]
    nearest = []
    for unit in units:
        cosines = unit @ unit.T
        np.fill_diagonal(cosines, -1)
        nearest.append(cosines.max(1))
    rows = []
    for i in kept.tolist():
        acts, rest = found[active[:, i], i], found[~active[:, i], i]
        rest = rest if len(rest) > 1 else np.zeros(2)
        spread = acts.std() or 1.0
        rows.append(
            [
                np.log(active[:, i].mean()),
                np.log(acts.mean()),
                np.log(acts.max()),
                np.log((((acts - acts.mean()) / spread) ** 4).mean() + 1e-3),
                np.linalg.norm(encoder[i]),
                np.linalg.norm(decoder[i]),
                b_enc[i],
                float(units[0][i] @ units[1][i]),
                nearest[0][i],
                nearest[1][i],
                rest.mean(),
                rest.std(),
            ]
        )
    planted = {latent.index for latent in organism.truth().latents}
    return Seen(np.array(rows), np.array([i in planted for i in kept.tolist()]))


def auroc_of_classifier(dictionaries: Sequence[Seen]) -> float:
    """Logistic regression on the statistics and their squares; each dictionary is judged by what the others taught."""
    values = []
    for left_out, own in enumerate(dictionaries):
        others = [d for number, d in enumerate(dictionaries) if number != left_out]
        x, y = np.concatenate([d.statistics for d in others]), np.concatenate([d.planted for d in others])
        mean, spread = x.mean(0), x.std(0) + 1e-9
        weights = fitted(widened((x - mean) / spread), y.astype(np.float64))
        values.append(auroc(widened((own.statistics - mean) / spread) @ weights, own.planted))
    return float(np.mean(values))


def widened(x: Floats) -> Floats:
    x = np.clip(x, -4, 4)
    return np.concatenate([np.ones((len(x), 1)), x, x**2], axis=1)


def fitted(x: Floats, y: Floats) -> Floats:
    """Newton's method, both classes weighing the same."""
    balance = np.where(y > 0, 0.5 / y.mean(), 0.5 / (1 - y.mean()))
    weights = np.zeros(x.shape[1])
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        gradient = x.T @ (balance * (chance - y)) / len(y) + RIDGE * weights
        curvature = (x * (balance * chance * (1 - chance))[:, None]).T @ x / len(y) + RIDGE * np.eye(x.shape[1])
        weights = weights - np.linalg.solve(curvature, gradient)
    return weights


def auroc(scores: Floats, labels: NDArray[np.bool_]) -> float:
    """The chance that a planted latent scores higher than another one."""
    order = np.argsort(np.argsort(scores, kind="stable"), kind="stable") + 1.0
    positive, negative = int(labels.sum()), int((~labels).sum())
    return float((order[labels].sum() - positive * (positive + 1) / 2) / (positive * negative))


if __name__ == "__main__":
    main()
