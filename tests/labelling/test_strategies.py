"""Strategies with a scripted model as stages: what they cost, what is asked again, and where the money ends."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from autointerp.agents import measured_claims
from autointerp.errors import BudgetError
from autointerp.labelling import Asking, LabelStore, WithEffects
from autointerp.llm import Budget
from autointerp.study import Laboratory, bench_of
from autointerp.testing import ScriptedLLM
from tests.agents.brain import scripted
from tests.labelling.made import Grades, Says, cascade
from tests.scoring.known import DOUBLE, SINGLE


def test_one_shot_as_a_stage(known: Laboratory) -> None:
    llm = ScriptedLLM(scripted)
    with Asking("oneshot", known, llm) as stage:
        attempt = asyncio.run(stage.attempt(SINGLE, []))
    assert attempt.stage == "oneshot"
    assert attempt.refine == pytest.approx(1.0)
    assert attempt.cost.forward_passes > 0
    assert len(llm.requests) == 1


def test_one_shot_without_effects_runs_no_forward_pass(known: Laboratory) -> None:
    before = known.subject.usage.forward_passes
    with Asking("oneshot", known, ScriptedLLM(scripted), effects=False) as stage:
        attempt = asyncio.run(stage.attempt(SINGLE, []))
    assert attempt.refine == pytest.approx(1.0)
    assert (attempt.cost.forward_passes, known.subject.usage.forward_passes) == (0, before)


def test_effects_are_added_to_what_another_stage_says(known: Laboratory) -> None:
    with WithEffects(Says("rules", lambda f: 0.9), known) as stage:
        attempt = asyncio.run(stage.attempt(SINGLE, []))
    assert stage.name == "rules"
    assert attempt.explanation.effects == measured_claims(bench_of(known, known.feature(SINGLE)))
    assert attempt.explanation.effects
    assert attempt.explanation.promotes in attempt.explanation.summary
    assert attempt.cost.forward_passes > 0


def test_what_has_no_program_gets_no_effects(known: Laboratory) -> None:
    before = known.subject.usage.forward_passes
    with WithEffects(Says("rules", lambda f: None), known) as stage:
        attempt = asyncio.run(stage.attempt(SINGLE, []))
    assert attempt.explanation.effects == ()
    assert known.subject.usage.forward_passes == before


def test_what_was_paid_for_before_a_kill_is_not_asked_again(known: Laboratory, tmp_path: Path) -> None:
    cache = tmp_path / "llm.sqlite"
    with Asking("oneshot", known, ScriptedLLM(scripted, cache=cache, run="r")) as stage:
        first = asyncio.run(stage.attempt(DOUBLE, []))
    again = ScriptedLLM([], cache=cache, run="r")
    with Asking("oneshot", known, again) as stage:
        second = asyncio.run(stage.attempt(DOUBLE, []))
    assert (second.explanation, second.refine, again.requests) == (first.explanation, first.refine, [])


def test_the_end_of_the_budget_is_an_end_of_the_stage(known: Laboratory) -> None:
    llm = ScriptedLLM(scripted, budget=Budget(tokens=10))
    with Asking("oneshot", known, llm) as stage, pytest.raises(BudgetError, match="limit of 10"):
        asyncio.run(stage.attempt(SINGLE, []))
    assert llm.requests == []


def test_features_share_the_model_in_a_cascade(known: Laboratory, tmp_path: Path) -> None:
    llm = ScriptedLLM(scripted)
    with LabelStore(tmp_path, about={}) as store, Asking("oneshot", known, llm) as stage:
        made = cascade(Says("rules", lambda f: 0.1), stage, workers=Grades())  # type: ignore[arg-type]
        asyncio.run(made.run(store, [SINGLE, DOUBLE, 5, 6]))
        assert {row.stage for row in store.labels()} == {"oneshot"}
        assert len(llm.requests) == 4
