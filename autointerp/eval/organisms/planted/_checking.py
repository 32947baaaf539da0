"""Measuring whether an organism with planted features does what its truth says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autointerp.dictionaries import Dictionary
from autointerp.eval.organisms._protocol import Measured
from autointerp.eval.organisms.planted._truth import PlantedLatent, PlantedTruth
from autointerp.models import Edit, Operation, Subject

_BATCH = 32
#: How far agreement may be from what the noise allows, and by what share the host's loss may rise.
AGREEMENT_MARGIN, MOST_LOSS = 0.01, 0.02
#: By what share of its stated size an effect may be off, and by how many logits the other tokens.
_SIZE_MARGIN, _ROUNDING = 0.01, 1e-3
#: From how many positions on the agreement of a single latent says something.
_OFTEN = 100


@dataclass(frozen=True, eq=False)
class _Run:
    """A batch of texts through the network: ids [texts, tokens], lengths with BOS, activations by latent, logits."""

    texts: list[str]
    ids: Tensor
    lengths: list[int]
    activations: dict[int, Tensor]
    logits: Tensor


def measured(
    subject: Subject, dictionary: Dictionary, truth: PlantedTruth, texts: Sequence[str], *, noise: float, seed: int
) -> tuple[list[Measured], float]:
    """Agreement with the truth, densities, and effects on the logits, on these texts; and the mean loss on them."""
    random = np.random.default_rng([seed, 17])
    found: dict[int, list[float]] = {latent.index: [] for latent in truth.latents}
    expected: dict[int, list[float]] = {latent.index: [] for latent in truth.latents}
    effects: list[tuple[bool, float, float]] = []
    losses: list[float] = []
    for run in _runs(subject, dictionary, truth, texts):
        for row, text in enumerate(run.texts):
            values = truth.values(text)
            for latent in truth.latents:
                found[latent.index] += run.activations[latent.index][row, 1 : run.lengths[row]].tolist()
                expected[latent.index] += [value or 0.0 for value in values[latent.name][: run.lengths[row] - 1]]
        effects += _effects(subject, dictionary, truth, run, random)
        losses += _losses(run.logits, run.ids, run.lengths)
    known = [latent for latent in truth.latents if latent.function is not None]
    agreements = [agreement(found[latent.index], expected[latent.index]) for latent in known]
    ratios = [np.count_nonzero(found[lt.index]) / len(found[lt.index]) / lt.density for lt in truth.latents]
    figures = []
    if agreements:
        # A latent counts by how much there is to go by: the positions at which it is what it seldom is.
        weights = [min(x := np.count_nonzero(e), len(e) - x) for e in (expected[latent.index] for latent in known)]
        mean, goal = float(np.average(agreements, weights=weights if any(weights) else None)), 1 - noise
        often = [found for found, weight in zip(agreements, weights, strict=True) if weight >= _OFTEN] or [mean]
        figures += [
            Measured("agreement with the truth, mean", mean, goal - AGREEMENT_MARGIN, goal + AGREEMENT_MARGIN),
            Measured("agreement with the truth, least", float(np.min(often))),
        ]
    if ratios:
        figures.append(Measured("density as a share of that stated, median", float(np.median(ratios))))
    if effects:
        signs, sizes, others = zip(*effects, strict=True)
        figures += [
            Measured("effects of the stated sign", float(np.mean(signs)), floor=1.0),
            Measured("error of an effect's size, largest", float(np.max(sizes)), ceiling=_SIZE_MARGIN),
            Measured("other logits beyond what is stated, largest", float(np.max(others)), ceiling=_ROUNDING),
        ]
    return figures, float(np.mean(losses))


def agreement(found: Sequence[float], expected: Sequence[float]) -> float:
    """The correlation of activations with the truth (Pearson); 1 where both are constant and the same."""
    first, second = (np.asarray(x, dtype=np.float64) for x in (found, expected))
    if not first.std() or not second.std():
        return float(np.allclose(first, second))
    return float(np.corrcoef(first, second)[0, 1])


def loss(subject: Subject, texts: Sequence[str]) -> float:
    """The mean loss of a next token in nats, over all tokens of these texts."""
    losses: list[float] = []
    for start in range(0, len(texts), _BATCH):
        ids, lengths = _encoded(subject, texts[start : start + _BATCH])
        logits = subject.run(ids, logits=True).logits
        assert logits is not None
        losses += _losses(logits, ids, lengths)
    return float(np.mean(losses))


def _losses(logits: Tensor, ids: Tensor, lengths: Sequence[int]) -> list[float]:
    """The loss of every token but the first, in nats."""
    scores = logits[:, :-1].float().log_softmax(-1).gather(2, ids[:, 1:, None].to(logits.device))[..., 0]
    return [-x for row, length in zip(scores.tolist(), lengths, strict=True) for x in row[: length - 1]]


def _runs(subject: Subject, dictionary: Dictionary, truth: PlantedTruth, texts: Sequence[str]) -> Iterator[_Run]:
    site = dictionary.input_site
    for start in range(0, len(texts), _BATCH):
        some = list(texts[start : start + _BATCH])
        ids, lengths = _encoded(subject, some)
        captured = subject.run(ids, capture=[site], logits=True)
        flat = captured.sites[site].flatten(0, 1)
        assert captured.logits is not None
        acts = dictionary.encode(flat.float())
        activations = {}
        for latent in truth.latents:
            mine = acts.features == latent.index
            dense = torch.zeros(len(flat))
            dense[acts.rows[mine].cpu()] = acts.values[mine].cpu().float()
            activations[latent.index] = dense.view(ids.shape)
        yield _Run(some, ids, lengths, activations, captured.logits)


def _encoded(subject: Subject, texts: Sequence[str]) -> tuple[Tensor, list[int]]:
    rows = [[subject.bos, *subject.encode(text)][: subject.context] for text in texts]
    return subject.pad(rows), [len(row) for row in rows]


def _effects(
    subject: Subject, dictionary: Dictionary, truth: PlantedTruth, run: _Run, random: np.random.Generator
) -> list[tuple[bool, float, float]]:
    """Ablate one active latent in each text: whether the sign of its effect is as stated, and by how much sizes are off."""
    site = dictionary.output_site
    chosen = [_active(truth, run, row, random) for row in range(len(run.texts))]
    value = torch.zeros(*run.ids.shape, dictionary.output_width)
    for row, one in enumerate(chosen):
        if one is not None:
            latent, place = one
            value[row, place] = -run.activations[latent.index][row, place] * dictionary.direction(latent.index).cpu()
    edited = subject.run(run.ids, edits=[Edit(site, Operation.ADD, value.to(run.logits.device))], logits=True).logits
    assert edited is not None
    found = []
    for row, one in enumerate(chosen):
        if one is not None:
            latent, place = one
            change = (run.logits[row, place] - edited[row, place]).double().cpu().numpy()
            found.append(_compared(change, float(run.activations[latent.index][row, place]), latent))
    return found


def _compared(change: NDArray[np.float64], amount: float, latent: PlantedLatent) -> tuple[bool, float, float]:
    ids = list(latent.effect.ids)
    if not ids:
        return True, 0.0, float(np.abs(change).max())
    stated = latent.effect.per_unit * amount
    rest = np.delete(change, ids)
    return (
        bool((np.sign(change[ids]) == np.sign(stated)).all()),
        float(np.abs(change[ids] / stated - 1).max()),
        float(np.abs(rest).max() - latent.effect.others * amount),
    )


def _active(truth: PlantedTruth, run: _Run, row: int, random: np.random.Generator) -> tuple[PlantedLatent, int] | None:
    """A latent that is active in a text, and a place where it is; None where none is."""
    length = run.lengths[row]
    there = [
        (latent, places)
        for latent in truth.latents
        if len(places := run.activations[latent.index][row, 1:length].numpy().nonzero()[0])
    ]
    if not there:
        return None
    latent, places = there[int(random.integers(len(there)))]
    return latent, 1 + int(random.choice(places))
