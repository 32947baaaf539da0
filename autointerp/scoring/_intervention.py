"""Intervention accuracy: do the effects that were claimed beforehand occur on fresh prompts?"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autointerp.circuits import next_token_change
from autointerp.programs import Predictor
from autointerp.records import EffectClaim, Evidence, Explanation, Intervention, PromptKind, Score, Unscored
from autointerp.scoring._bootstrap import Sample
from autointerp.scoring._exam import Exam
from autointerp.scoring._judges import Judges
from autointerp.scoring._protocol import Controls, Graded

NAME = "intervention_accuracy"
_PROMPTS = 24


class InterventionAccuracy:
    """The share of claimed effects that occur, over claims and fresh prompts.

    The control does the same to a random feature of about the same density: its direction takes the place of the feature's,
    in the same places and with the same norm, and the same claims are checked.
    """

    def __call__(
        self, explanation: Explanation, exam: Exam, controls: Controls, predictor: Predictor, judges: Judges
    ) -> Graded:
        """As the protocol says."""
        del controls, predictor, judges
        if not exam.subject.has_logits:
            return Graded(Unscored(name=NAME, reason="the model has no logits that an intervention could move"))
        if not explanation.effects:
            return Graded(Unscored(name=NAME, reason="the explanation claims no effects"))
        held, null, documents, evidence = [], [], [], []
        for claim in explanation.effects:
            key = (NAME, claim.intervention, claim.prompts, claim.strength)
            own, other, owners = exam.once(key, partial(_changes, exam, claim))
            if not len(owners):
                untested = "no test text has such a place"
                evidence.append(Evidence(prediction=claim.sentence(), outcome=untested, supports=None, split="test"))
                continue
            own_true, other_true = _holds(claim, own), _holds(claim, other)
            held.append(own_true)
            null.append(other_true)
            documents.append(owners)
            evidence.append(_evidence(claim, own_true, other_true))
        if not held:
            return Graded(Unscored(name=NAME, reason="no test text has a place that a claim is about"), tuple(evidence))
        true, false, owner = np.concatenate(held), np.concatenate(null), np.concatenate(documents)
        sample = Sample(lambda w: float(w @ true / w.sum()) if w.sum() else float("nan"), owner)
        score = Score(
            name=NAME,
            value=float(true.mean()),
            ci=sample.interval(seed=exam.seed),
            n=len(true),
            control={"matched_random_feature": float(false.mean())},
        )
        return Graded(score, tuple(evidence), sample)


def _evidence(claim: EffectClaim, own: NDArray[np.float64], other: NDArray[np.float64]) -> Evidence:
    outcome = (
        f"true on {int(own.sum())} of {len(own)} fresh prompts; with a matched random feature on {int(other.sum())}"
    )
    supports = bool(own.mean() > 0.5 and own.mean() > other.mean())
    return Evidence(prediction=claim.sentence(), outcome=outcome, supports=supports, split="test")


def _holds(claim: EffectClaim, changes: Tensor) -> NDArray[np.float64]:
    """1 for each prompt on which the claimed tokens move as claimed, [prompts]."""
    moved = changes[:, list(claim.token_ids)].mean(1).numpy() * claim.sign
    return (moved >= claim.at_least).astype(np.float64)


def _changes(exam: Exam, claim: EffectClaim) -> tuple[Tensor, Tensor, NDArray[np.int32]]:
    """Logit changes [prompts, vocabulary] by the feature and by the matched one, and the documents of the prompts."""
    texts, places = _places(exam, claim.prompts)
    if not len(texts):
        return torch.empty(0), torch.empty(0), exam.documents[:0]
    if claim.intervention is Intervention.ABLATE:
        amount = -torch.from_numpy(exam.activations[texts, places])
    else:
        assert claim.strength is not None
        amount = torch.full((len(texts),), claim.strength)
    scaled = (amount * exam.scale[texts, places])[:, None]
    clean, at = exam.clean.at(texts, places), torch.from_numpy(places)
    own, other = exam.dictionary.writes(exam.feature), exam.dictionary.writes(exam.matched)
    # The matched feature's directions at the norms of the feature's own; one that writes nothing somewhere adds nothing there.
    other = {site: v * (own[site].norm() / v.norm().clamp(min=1e-30)) for site, v in other.items() if site in own}
    changes = [
        next_token_change(clean, at, {site: scaled * vector for site, vector in writes.items()})
        for writes in (own, other)
    ]
    return changes[0], changes[1], exam.documents[texts]


def _places(exam: Exam, kind: PromptKind) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Texts and one place in each: where the feature is strongest, or a random place where it is silent."""
    if kind is PromptKind.FIRES:
        texts = np.unique(np.linspace(0, exam.active - 1, min(_PROMPTS, exam.active)).round().astype(np.int64))
        return texts, exam.activations[texts].argmax(1)
    random = np.random.default_rng([exam.seed, 2])
    candidates = random.permutation(len(exam.ids))
    pairs: list[tuple[int, int]] = []
    for text in candidates:
        quiet = np.flatnonzero(exam.mask[text] & (exam.activations[text] == 0))
        if len(quiet) and len(pairs) < _PROMPTS:
            pairs.append((int(text), int(random.choice(quiet))))
    chosen = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return chosen[:, 0], chosen[:, 1]
