"""Steering dose response: what the claimed effect costs in damage elsewhere, over strengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autointerp.circuits import next_token_change
from autointerp.programs import Predictor
from autointerp.records import Explanation, Intervention, Score
from autointerp.scoring._bootstrap import Sample, Weights
from autointerp.scoring._directions import Writes, matched_writes, random_writes
from autointerp.scoring._exam import Exam
from autointerp.scoring._judges import Judges
from autointerp.scoring._protocol import Controls, Graded, unscored

NAME = "steering"
#: Strengths, in typical peak activations.
DOSES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
#: The damage at which effects are compared, in nats.
DAMAGE = 0.5
_PROMPTS = 24

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Response:
    """Effect on the claimed logits [doses, prompts], and damage in nats on unrelated prompts [doses, prompts]."""

    effect: Floats
    damage: Floats


class Steering:
    """Mean change of the claimed logits, in the claimed direction, at the strength that costs unrelated prompts 0.5 nats.

    The effect is measured where the feature fires or nearly does, the damage (KL of the next token) at random places of texts
    in which it is silent. A direction that moves the claimed tokens only by breaking everything gets little here. Where no
    strength costs so much, the value is that of the greatest.
    """

    on_request = True

    def __call__(
        self, explanation: Explanation, exam: Exam, controls: Controls, predictor: Predictor, judges: Judges
    ) -> Graded:
        """As the protocol says. Controls: the matched feature's direction and a random one, at the same norm and damage."""
        del controls, predictor, judges
        if not exam.subject.has_logits:
            return unscored(NAME, "the model has no logits that an intervention could move")
        if not explanation.effects:
            return unscored(NAME, "the explanation claims no effects")
        wanted = claimed(explanation, len(exam.subject.strings))
        apart = np.arange(exam.active + exam.near, len(exam.ids))[:_PROMPTS]
        if not len(apart):
            return unscored(NAME, "no unrelated test text is left to measure damage on")
        near = np.unique(np.linspace(0, exam.active + exam.near - 1, _PROMPTS).round().astype(np.int64))
        directions = {
            "value": exam.dictionary.writes(exam.feature),
            "matched_random_feature": matched_writes(exam),
            "random_direction": random_writes(exam),
        }
        texts = np.concatenate([near, apart])
        responses = {}
        for name, writes in directions.items():
            before, changes = exam.once((NAME, name), partial(_changes, exam, writes, texts))
            responses[name] = _response(before, changes, len(near), wanted)
        if not all(np.isfinite(r.effect).all() and np.isfinite(r.damage).all() for r in responses.values()):
            return unscored(NAME, "steered that far the model's output is not finite")
        own = responses["value"]

        def at_equal_damage(weights: Weights) -> float:
            return equal_damage(*_means(own, weights))

        sample = Sample(at_equal_damage, np.concatenate([exam.documents[near], exam.documents[apart]]))
        once = np.ones(len(near) + len(apart))
        control = {name: equal_damage(*_means(r, once)) for name, r in responses.items() if name != "value"}
        effects, damages = _means(own, once)
        also = {f"effect at {dose:g}": float(e) for dose, e in zip(DOSES, effects, strict=True)}
        also |= {f"damage at {dose:g}": float(d) for dose, d in zip(DOSES, damages, strict=True)}
        ci = sample.interval(seed=exam.seed)
        score = Score(name=NAME, value=sample.value(), ci=ci, n=len(once), control=control, also=also)
        return Graded(score, sample=sample)


def claimed(explanation: Explanation, vocabulary: int) -> Tensor:
    """What steering upwards is claimed to do, as weights of the logits, [vocabulary]: +1 in all over tokens that are to rise.

    A token that ablation is said to lower is one that steering is to raise.
    """
    weights = torch.zeros(vocabulary)
    for claim in explanation.effects:
        upwards = -1.0 if claim.intervention is Intervention.ABLATE else float(np.sign(claim.strength or 1.0))
        weights[list(claim.token_ids)] += claim.sign * upwards / len(claim.token_ids)
    return weights / len(explanation.effects)


def equal_damage(effects: Floats, damages: Floats) -> float:
    """The effect where damage first reaches 0.5 nats, on straight lines between doses; else that of the last dose.

    NaN without data. Arguments [doses], the lowest dose first.
    """
    if not (np.isfinite(effects).all() and np.isfinite(damages).all()):
        return float("nan")
    above = np.flatnonzero(damages >= DAMAGE)
    if not len(above):
        return float(effects[-1])
    at = int(above[0])
    before = (effects[at - 1], damages[at - 1]) if at else (0.0, 0.0)
    share = (DAMAGE - before[1]) / (damages[at] - before[1])
    return float(before[0] + share * (effects[at] - before[0]))


def _means(response: Response, weights: Weights) -> tuple[Floats, Floats]:
    count = response.effect.shape[1]
    near, apart = weights[:count], weights[count:]
    if not near.sum() or not apart.sum():
        missing = np.full(len(DOSES), np.nan)
        return missing, missing
    return response.effect @ near / near.sum(), response.damage @ apart / apart.sum()


def _changes(exam: Exam, writes: Writes, texts: NDArray[np.int64]) -> tuple[Tensor, list[Tensor]]:
    """The clean logits at one place of each text, [texts, vocabulary], and how they change at every dose."""
    peak = float(np.median(exam.activations[: exam.active].max(1)))
    places = _places(exam, texts)
    clean, at = exam.clean.at(texts, places), torch.from_numpy(places)
    before = clean.output[torch.arange(len(texts)), at].double()
    scale = exam.scale[texts, places]
    amounts = [(dose * peak * scale)[:, None] for dose in DOSES]
    return before, [
        next_token_change(clean, at, {site: amount * v for site, v in writes.items()}) for amount in amounts
    ]


def _response(before: Tensor, changes: Sequence[Tensor], near: int, wanted: Tensor) -> Response:
    """Effect on the first `near` texts and damage on the rest, measured in the same passes."""
    effect, damage = [], []
    for change in changes:
        log_p, log_q = before.log_softmax(-1), (before + change.double()).log_softmax(-1)
        moved = (log_p.exp() * (log_p - log_q)).sum(-1).clamp(min=0)
        effect.append((change.double() @ wanted.double())[:near].numpy())
        damage.append(moved[near:].numpy())
    return Response(np.stack(effect), np.stack(damage))


def _places(exam: Exam, texts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where the feature is strongest, and a random place in a text where it is silent."""
    random = np.random.default_rng([exam.seed, 9])
    found = exam.activations[texts].argmax(1)
    quiet = exam.activations[texts].max(1) <= 0
    found[quiet] = [random.integers(1, length) for length in exam.lengths[texts][quiet]]
    return np.asarray(found, dtype=np.int64)
