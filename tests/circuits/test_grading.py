"""Grades of circuits whose grade is known: all of the model, none of it, and rankings worked out by hand."""

from __future__ import annotations

import pytest
import torch

from autointerp.circuits import (
    Ablation,
    Circuit,
    Parts,
    Task,
    acdc,
    completeness,
    curve_of,
    curve_scores,
    edge_attribution,
    edge_scores,
    faithfulness,
    flow_routes,
    stability,
    top_edges,
)
from autointerp.circuits._ranking import auprc, auroc
from autointerp.errors import InputError
from autointerp.records import Score, Unscored


@pytest.mark.parametrize("ablation", [kind for kind in Ablation if kind is not Ablation.RESAMPLE])
def test_all_is_faithful_and_nothing_is_not(parts: Parts, task: Task, ablation: Ablation) -> None:
    for circuit, value in ((Circuit.whole(parts.graph), 1.0), (Circuit.empty(parts.graph), 0.0)):
        found = faithfulness(parts, task, circuit, ablation=ablation, controls=0)
        assert isinstance(found, Score)
        assert found.value == pytest.approx(value, abs=1e-4)


def test_one_prompt_of_its_length_is_not_resampled(parts: Parts, task: Task) -> None:
    found = faithfulness(parts, task, Circuit.whole(parts.graph), ablation=Ablation.RESAMPLE)
    assert isinstance(found, Unscored)
    assert "one prompt of 8 tokens" in found.reason


def test_a_metric_that_is_constant_gives_no_score(parts: Parts, task: Task) -> None:
    pair = task.pairs[0]
    same = Task("constant", (type(pair)(pair.clean, pair.corrupted, (10,), (10,)),))
    found = faithfulness(parts, same, Circuit.whole(parts.graph), controls=0)
    assert isinstance(found, Unscored)
    assert "do not tell the two apart" in found.reason
    with pytest.raises(InputError, match="do not tell"):
        curve_of(parts, same, torch.rand(parts.graph.allowed.shape))


def test_the_whole_model_is_complete(parts: Parts, task: Task) -> None:
    found = completeness(parts, task, Circuit.whole(parts.graph), count=3)
    assert isinstance(found, Score)
    assert found.value == pytest.approx(0, abs=1e-4)
    assert found.control["random circuit"] < 1e-4


def test_the_area_of_a_curve(parts: Parts, task: Task) -> None:
    scores = edge_attribution(parts, task)
    curve = curve_of(parts, task, scores.mean, shares=(0.1, 0.5, 1.0), controls=1)
    f = curve.values()
    assert float(f[2]) == pytest.approx(1, abs=1e-4)
    cpr, cmd, *_ = curve_scores(curve)
    assert isinstance(cpr, Score)
    assert isinstance(cmd, Score)
    wanted = 0.4 * float(f[0] + f[1]) / 2 + 0.5 * float(f[1] + f[2]) / 2
    assert cpr.value == pytest.approx(wanted, abs=1e-5)
    gap = (1 - f).abs()
    assert cmd.value == pytest.approx(0.4 * float(gap[0] + gap[1]) / 2 + 0.5 * float(gap[1] + gap[2]) / 2, abs=1e-5)


def test_rankings_by_hand() -> None:
    scores, truth = torch.tensor([4.0, 3.0, 3.0, 1.0]), torch.tensor([True, False, True, False])
    # Pairs of true and false: 4>3, 4>1, 3=3, 3>1.
    assert auroc(scores, truth) == pytest.approx(3.5 / 4)
    # One of one, then two of three at the tie.
    assert auprc(scores, truth) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_a_ranking_that_is_the_truth(parts: Parts) -> None:
    truth = Circuit.named(parts.graph, [("input", "a0.h1<q>"), ("m0", "logits")])
    for result in edge_scores(truth.edges.float(), truth):
        assert isinstance(result, Score)
        assert result.value == 1
    assert all(
        isinstance(r, Unscored) for r in edge_scores(torch.zeros_like(truth.edges).float(), Circuit.empty(parts.graph))
    )


def test_bad_circuits_say_why(parts: Parts) -> None:
    with pytest.raises(InputError, match=r"names 'a9.h0', which this model does not have"):
        Circuit.named(parts.graph, [("a9.h0", "logits")])
    with pytest.raises(InputError, match=r"m1->a0.h0<q>: the model has none there"):
        Circuit.named(parts.graph, [("m1", "a0.h0<q>")])
    with pytest.raises(InputError, match=f"the graph of this model has {parts.graph.size}"):
        top_edges(parts.graph, torch.zeros(parts.graph.allowed.shape), parts.graph.size + 1)
    with pytest.raises(InputError, match="not all numbers"):
        top_edges(parts.graph, torch.full(parts.graph.allowed.shape, torch.nan), 1)


def test_acdc_cuts_what_does_not_matter(parts: Parts, task: Task) -> None:
    with pytest.raises(InputError, match="use EAP-IG first"):
        acdc(parts, task, 0.1, most=10)
    assert len(acdc(parts, task, float("inf"))) == 0
    assert len(acdc(parts, Task("one", task.pairs[:1]), 0.0)) == parts.graph.size


def test_routes_are_shares(parts: Parts, task: Task) -> None:
    """What reaches the logits adds up to one, and no edge carries less than nothing."""
    scores = flow_routes(parts, task).by_pair
    torch.testing.assert_close(scores[:, -1].sum(1), torch.ones(len(task)))
    assert float(scores.min()) >= 0


def test_the_same_pairs_give_the_same_circuit(parts: Parts, task: Task) -> None:
    scores = edge_attribution(parts, Task("same", (task.pairs[0],) * 4))
    found = stability(scores, parts, 20)
    assert isinstance(found, Score)
    assert found.value == 1
