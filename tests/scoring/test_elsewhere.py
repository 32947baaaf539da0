"""The same feature in other circumstances, and what the exam refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from autointerp.records import Explanation, Program, Score, Unscored
from autointerp.scoring import Controls, Exam, content, grade, prepare_exam, row_space, with_random_direction
from autointerp.study import Laboratory
from tests.scoring.conftest import MATCHED
from tests.scoring.known import SINGLE
from tests.scoring.made import explanation_of, near_tokens


def test_texts_that_were_seen_in_training_are_refused(known: Laboratory, exam: Exam) -> None:
    view = known.index.test
    seen = {content(row[1:length]) for row, length in zip(exam.ids, exam.lengths, strict=True)}
    options = {"matched": MATCHED, "near_tokens": near_tokens(known), "seed": 0}
    fresh = prepare_exam(known.subject, known.dictionary, SINGLE, view, seen=seen, **options)  # type: ignore[arg-type]
    taken = {content(row[1:length]) for row, length in zip(fresh.ids, fresh.lengths, strict=True)}
    assert len(taken) == len(fresh.ids)
    assert not taken & seen


def test_a_random_direction_has_the_norm_of_the_feature(exam: Exam) -> None:
    own, other = (e.dictionary.writes(exam.feature) for e in (exam, with_random_direction(exam)))
    for site, vector in own.items():
        assert float(other[site].norm()) == pytest.approx(float(vector.norm()), rel=1e-5)
        assert abs(float(torch.cosine_similarity(vector, other[site], 0))) < 0.9


def test_a_direction_on_the_stream_reaches_it_whole(exam: Exam) -> None:
    result = row_space(exam).result
    assert isinstance(result, Score)
    assert result.value == pytest.approx(1.0)


@pytest.mark.parametrize("metric", ["firing", "simulation", "prediction"])
def test_the_truth_scores_one(exam: Exam, controls: Controls, program: Program, metric: str) -> None:
    (graded,) = grade(explanation_of(program), exam, controls, metrics=[metric])
    assert isinstance(graded.result, Score)
    assert graded.result.value == pytest.approx(1.0, abs=1e-6)
    if metric == "simulation":
        assert graded.result.also == pytest.approx({"explained_variance": 1.0, "rank_correlation": 1.0}, abs=1e-6)


def test_a_wrong_scale_costs_explained_variance_alone(exam: Exam, controls: Controls, program: Program) -> None:
    twice = Program(source=program.source.replace("2.0", "4.0"))
    (graded,) = grade(explanation_of(twice), exam, controls, metrics=["simulation"])
    assert isinstance(graded.result, Score)
    true = exam.activations[exam.mask]
    assert graded.result.value == pytest.approx(1.0, abs=1e-6)
    assert graded.result.also["explained_variance"] == pytest.approx(1 - (true**2).mean() / true.var(), rel=1e-4)


@pytest.mark.parametrize("metric", ["firing", "prediction"])
def test_constant_predictions_are_no_score(exam: Exam, controls: Controls, metric: str) -> None:
    constant = Program(source="def predict(tokens):\n    return [1.0 for t in tokens]\n")
    (graded,) = grade(explanation_of(constant), exam, controls, metrics=[metric])
    assert isinstance(graded.result, Unscored)


def test_steering_without_claims_is_no_score(exam: Exam, controls: Controls) -> None:
    plain: Explanation = explanation_of(None)
    (graded,) = grade(plain, exam, controls, metrics=["steering"])
    assert graded.result == Unscored(name="steering", reason="the explanation claims no effects")


def test_steering_is_measured_at_equal_damage_for_all_directions(exam: Exam, controls: Controls) -> None:
    from autointerp.records import EffectClaim, Intervention, PromptKind

    claim = EffectClaim(
        intervention=Intervention.ABLATE,
        prompts=PromptKind.FIRES,
        tokens=("a", "b"),
        token_ids=(5, 9),
        sign=-1,
        at_least=0.0,
    )
    own = grade(explanation_of(None, [claim]), exam, controls, metrics=["steering"])[0].result
    same = replace(exam, matched=exam.feature)
    twin = grade(explanation_of(None, [claim]), same, controls, metrics=["steering"])[0].result
    assert isinstance(own, Score)
    assert isinstance(twin, Score)
    assert twin.control["matched_random_feature"] == pytest.approx(own.value, rel=1e-4)
    against = claim.model_copy(update={"sign": 1})
    opposite = grade(explanation_of(None, [against]), exam, controls, metrics=["steering"])[0].result
    assert isinstance(opposite, Score)
    assert opposite.value == pytest.approx(-own.value, rel=1e-4)
    damages = [own.also[f"damage at {dose:g}"] for dose in (0.25, 1, 4)]
    assert np.all(np.diff(damages) > 0)
