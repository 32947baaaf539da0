"""Intervention accuracy against the same interventions made with torch hooks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from autointerp.circuits import clean_run
from autointerp.records import EffectClaim, Intervention, PromptKind, Score, Unscored
from autointerp.scoring import Controls, Exam, Graded, grade
from tests.scoring import plain
from tests.scoring.made import explanation_of

STRENGTH = 1.5


def graded(exam: Exam, controls: Controls, *claims: EffectClaim) -> Graded:
    (found,) = grade(explanation_of(None, claims), exam, controls, metrics=["intervention_accuracy"])
    assert found.result.name == "intervention_accuracy"
    return found


def score_of(exam: Exam, controls: Controls, *claims: EffectClaim) -> Score:
    result = graded(exam, controls, *claims).result
    assert isinstance(result, Score)
    return result


def ablation(exam: Exam, *, matched: bool = False) -> Tensor:
    """Logit changes by ablation where the feature is strongest in each active text, with hooks, [prompts, vocabulary]."""
    places = torch.from_numpy(exam.activations[: exam.active].argmax(1))
    amount = -torch.from_numpy(exam.activations[: exam.active].max(1))
    return changes(exam, slice(exam.active), places, amount, matched=matched)


def changes(exam: Exam, texts: slice, places: Tensor, amount: Tensor, *, matched: bool) -> Tensor:
    direction = exam.dictionary.direction(exam.feature)
    if matched:
        other = exam.dictionary.direction(exam.matched)
        direction = other / other.norm() * direction.norm()
    ids = torch.from_numpy(exam.ids[texts]).long()
    return plain.change_at(exam.subject, exam.dictionary, ids, places, amount, direction)


def claim_of(
    exam: Exam, tokens: tuple[int, ...], sign: int, at_least: float, strength: float | None = None
) -> EffectClaim:
    return EffectClaim(
        intervention=Intervention.ABLATE if strength is None else Intervention.STEER,
        prompts=PromptKind.FIRES if strength is None else PromptKind.SILENT,
        tokens=tuple(exam.subject.strings[i] for i in tokens),
        token_ids=tokens,
        sign=1 if sign > 0 else -1,
        at_least=at_least,
        strength=strength,
    )


def between(moved: Tensor, count: int) -> tuple[int, float]:
    """A threshold half way between two of the values, reached by `count` of them or the number next to it that has a gap."""
    ordered = moved.sort(descending=True).values
    gaps = (ordered[:-1] - ordered[1:] > 1e-3).nonzero().flatten() + 1
    found = int(gaps[(gaps - count).abs().argmin()])
    return found, float((ordered[found - 1] + ordered[found]) / 2)


@pytest.fixture(scope="module")
def moved(exam: Exam) -> Tensor:
    return ablation(exam)


@pytest.fixture(scope="module")
def rising(moved: Tensor) -> tuple[int, ...]:
    """The tokens that ablation raises most."""
    return tuple(moved.mean(0).topk(3).indices.tolist())


@pytest.mark.parametrize("count", [1, 4, 8])
def test_a_claim_holds_on_just_the_prompts_where_it_is_true(
    exam: Exam, controls: Controls, moved: Tensor, rising: tuple[int, ...], count: int
) -> None:
    together = moved[:, list(rising)].mean(1)
    count, at_least = between(together, count)
    assert at_least > 0
    score = score_of(exam, controls, claim_of(exam, rising, 1, at_least))
    assert score.value == count / exam.active
    assert score.n == exam.active
    other = ablation(exam, matched=True)[:, list(rising)].mean(1)
    assert score.control == {"matched_random_feature": float((other >= at_least).double().mean())}


def test_the_sign_matters(exam: Exam, controls: Controls, moved: Tensor, rising: tuple[int, ...]) -> None:
    smallest = float(moved[:, list(rising)].mean(1).min())
    assert smallest > 0
    assert score_of(exam, controls, claim_of(exam, rising, 1, smallest * 0.9)).value == 1.0
    assert score_of(exam, controls, claim_of(exam, rising, -1, smallest * 0.9)).value == 0.0


def test_the_control_has_the_same_norm(exam: Exam, controls: Controls, moved: Tensor, rising: tuple[int, ...]) -> None:
    norms = [float(exam.dictionary.direction(i).norm()) for i in (exam.feature, exam.matched)]
    assert max(norms) / min(norms) > 1.5  # or equal norms would be no achievement
    other = ablation(exam, matched=True)
    tokens = tuple(other.mean(0).topk(3).indices.tolist())
    count, at_least = between(other[:, list(tokens)].mean(1), 5)
    score = score_of(exam, controls, claim_of(exam, tokens, 1, at_least))
    assert score.control == {"matched_random_feature": count / exam.active}
    own = moved[:, list(tokens)].mean(1)
    assert score.value == float((own >= at_least).double().mean())


def test_the_value_is_over_claims_and_prompts(
    exam: Exam, controls: Controls, moved: Tensor, rising: tuple[int, ...]
) -> None:
    together = moved[:, list(rising)].mean(1)
    (few, high), (many, low) = between(together, 2), between(together, 6)
    assert few < many
    score = score_of(exam, controls, claim_of(exam, rising, 1, high), claim_of(exam, rising, 1, low))
    assert score.value == (few + many) / 20
    assert score.n == 20
    assert score.ci[0] < score.value < score.ci[1]


def test_steering_happens_where_the_feature_is_silent(exam: Exam, controls: Controls) -> None:
    # Texts of two tokens, the first of them active: one place is left.
    lone = np.zeros((len(exam.ids), 3), dtype=np.float32)
    lone[:, 1] = 1.0
    short = replace(
        exam,
        ids=exam.ids[:, :3],
        lengths=np.full_like(exam.lengths, 3),
        activations=lone,
        active=len(lone),
        near=0,
        clean=clean_run(exam.subject, exam.clean.sites, torch.from_numpy(exam.ids[:, :3]).long()),
    )
    places, amount = torch.full((len(lone),), 2), torch.full((len(lone),), STRENGTH)
    own, other = (changes(short, slice(len(lone)), places, amount, matched=matched) for matched in (False, True))
    tokens = tuple((-own.mean(0)).topk(2).indices.tolist())
    count, at_least = between(-own[:, list(tokens)].mean(1), 12)
    score = score_of(short, controls, claim_of(short, tokens, -1, at_least, STRENGTH))
    assert score.value == count / 20
    held = (-other[:, list(tokens)].mean(1) >= at_least).double().mean()
    assert score.control == {"matched_random_feature": pytest.approx(float(held))}


def test_evidence_says_what_was_claimed_and_what_came_of_it(
    exam: Exam, controls: Controls, moved: Tensor, rising: tuple[int, ...]
) -> None:
    together = moved[:, list(rising)].mean(1)
    (few, high), (many, low) = between(together, 2), between(together, 8)
    assert few < 5 < many
    claims = [
        claim_of(exam, rising, 1, low),
        claim_of(exam, rising, 1, high),
        claim_of(exam, rising, -1, 0.0, STRENGTH),
    ]
    evidence = graded(exam, controls, *claims).evidence
    assert [e.prediction for e in evidence] == [claim.sentence() for claim in claims]
    assert {e.split for e in evidence} == {"test"}
    assert evidence[0].supports is True
    assert evidence[1].supports is False
    assert evidence[0].outcome.startswith(f"true on {many} of 10 fresh prompts")


def test_what_a_random_feature_does_as_well_supports_nothing(
    exam: Exam, controls: Controls, rising: tuple[int, ...]
) -> None:
    twin = replace(exam, matched=exam.feature)
    (evidence,) = graded(twin, controls, claim_of(exam, rising, 1, 0.0)).evidence
    assert evidence.supports is False


def test_a_claim_about_places_that_do_not_exist_is_left_out(
    exam: Exam, controls: Controls, rising: tuple[int, ...]
) -> None:
    loud = replace(exam, activations=np.where(exam.mask, 1.0, 0.0).astype(np.float32))
    steering = claim_of(exam, rising, 1, 0.0, STRENGTH)
    alone = graded(loud, controls, steering)
    assert isinstance(alone.result, Unscored)
    assert [e.supports for e in alone.evidence] == [None]
    both = graded(loud, controls, claim_of(exam, rising, 1, 0.0), steering)
    assert isinstance(both.result, Score)
    assert both.result.n == exam.active


def test_no_claims_are_no_score(exam: Exam, controls: Controls) -> None:
    found = graded(exam, controls)
    assert found.result == Unscored(name="intervention_accuracy", reason="the explanation claims no effects")
    assert found.evidence == ()
