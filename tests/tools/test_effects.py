"""What interventions do, against the same interventions made with torch hooks."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from autointerp.records import Intervention, PromptKind
from autointerp.study import Laboratory
from autointerp.tools import Effects, Sample, Workbench, effects_of, sample_texts
from tests.scoring import plain
from tests.scoring.known import DEAD, DOUBLE, SINGLE
from tests.tools.benches import bench_of

PROMPTS = 4


def direct(bench: Workbench, sample: Sample, texts: list[int], places: Tensor, amount: Tensor) -> Tensor:
    direction = bench.dictionary.direction(bench.feature.index)
    ids = torch.from_numpy(sample.ids[texts]).long()
    return plain.change_at(bench.subject, bench.dictionary, ids, places, amount, direction)


@pytest.fixture(scope="module", params=[SINGLE, DOUBLE])
def case(request: pytest.FixtureRequest, known: Laboratory) -> tuple[Workbench, Sample, list[Effects]]:
    """A bench, the only texts that its tools may draw, and what they measured on them."""
    bench = bench_of(known, request.param)
    sample = sample_texts(bench, active=PROMPTS, silent=PROMPTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("autointerp.tools._effects.sample_texts", lambda *_, **__: sample)
        return bench, sample, effects_of(bench, prompts=PROMPTS)


def test_there_is_one_ablation_and_one_steering(case: tuple[Workbench, Sample, list[Effects]]) -> None:
    bench, _, (ablated, steered) = case
    assert (ablated.intervention, ablated.prompts, ablated.strength) == (Intervention.ABLATE, PromptKind.FIRES, None)
    assert (steered.intervention, steered.prompts) == (Intervention.STEER, PromptKind.SILENT)
    assert steered.strength is not None
    assert 0 < steered.strength <= bench.stats.maximum
    for effect in (ablated, steered):
        assert effect.changes.shape == (PROMPTS, len(bench.subject.strings))
        assert effect.changes.mean(1).abs().max() < 1e-4


def test_ablation_takes_the_feature_out_where_it_is_strongest(case: tuple[Workbench, Sample, list[Effects]]) -> None:
    bench, sample, (ablated, _) = case
    active = sample.activations[:PROMPTS]
    places, height = torch.from_numpy(active.argmax(1)), torch.from_numpy(active.max(1))
    expected = direct(bench, sample, list(range(PROMPTS)), places, -height)
    torch.testing.assert_close(ablated.changes, expected, atol=1e-4, rtol=1e-3)
    assert expected.abs().max() > 0.1


def test_steering_adds_the_strength_at_a_silent_place(case: tuple[Workbench, Sample, list[Effects]]) -> None:
    bench, sample, (_, steered) = case
    assert steered.strength is not None
    candidates = []
    for text, (row, length) in enumerate(zip(sample.activations, sample.lengths, strict=True)):
        silent = [place for place in range(1, length) if row[place] == 0]
        amount = torch.full((len(silent),), steered.strength)
        candidates.append(direct(bench, sample, [text] * len(silent), torch.tensor(silent), amount))
    possible = torch.cat(candidates)
    for row in steered.changes:
        assert float((possible - row).abs().amax(1).min()) < 1e-3


def test_a_dead_feature_has_no_effects(known: Laboratory) -> None:
    assert effects_of(bench_of(known, DEAD), prompts=PROMPTS) == []


def test_a_feature_that_is_never_silent_cannot_be_steered(known: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = bench_of(known, SINGLE)
    sample = sample_texts(bench, active=PROMPTS, silent=0)
    loud = sample.activations.copy()
    for row, length in zip(loud, sample.lengths, strict=True):
        row[1:length] = 1.0
    monkeypatch.setattr("autointerp.tools._effects.sample_texts", lambda *_, **__: replace(sample, activations=loud))
    assert [effect.intervention for effect in effects_of(bench, prompts=PROMPTS)] == [Intervention.ABLATE]
