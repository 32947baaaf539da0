"""Patching and attribution against torch's own hooks and derivatives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from autointerp.circuits import (
    METRICS,
    Ablation,
    Circuit,
    Pair,
    Parts,
    Task,
    edge_attribution,
    edge_patching,
    integrated_edge_attribution,
    metric_of_circuits,
    node_attribution,
    node_patching,
    rechecked,
)
from autointerp.eval.organisms.transformer import SmallTransformerConfig, SmallTransformerForCausalLM
from autointerp.models import Subject
from tests.circuits.plain_edges import feeding, written
from tests.models.families import FAMILIES, write_family

EDGES = [
    ("input", "a0.h1<q>"),
    ("m0", "a1.g0<k>"),
    ("a0.h3", "a1.g1<v>"),
    ("a1.h2", "m1"),
    ("m0", "a2.h0<q>"),
    ("a1.h0", "m2"),
    ("a2.h3", "logits"),
    ("input", "logits"),
]


def metric(logits: Tensor) -> Tensor:
    return logits[:, -1, [10, 11]].mean(1) - logits[:, -1, 20]


def plain_metric(module: Any, ids: Tensor) -> float:
    with torch.no_grad():
        return float(metric(module(ids).logits))


def numbers(parts: Parts, edge: tuple[str, str]) -> tuple[int, int]:
    return parts.graph.target_numbers[edge[1]], parts.graph.source_numbers[edge[0]]


def test_patching_a_node_is_what_a_hook_does(parts: Parts, task: Task) -> None:
    found = node_patching(parts, task)
    module, names = parts.subject.module, parts.graph.source_numbers
    for row, pair in enumerate(task.pairs):
        clean, corrupted = torch.tensor([pair.clean]), torch.tensor([pair.corrupted])
        base = plain_metric(module, clean)
        others = written(module, parts.graph, corrupted)
        for name, place in (("m1", module.model.layers[1].mlp), ("input", module.model.embed_tokens)):
            handle = place.register_forward_hook(lambda *_, out=others[names[name]]: out)
            assert plain_metric(module, clean) - base == pytest.approx(float(found[row, names[name]]), abs=1e-5)
            handle.remove()
        own = written(module, parts.graph, clean)
        change = others[names["a1.h2"]] - own[names["a1.h2"]]
        handle = module.model.layers[1].self_attn.o_proj.register_forward_hook(
            lambda _, __, out, change=change: out + change
        )
        assert plain_metric(module, clean) - base == pytest.approx(float(found[row, names["a1.h2"]]), abs=1e-5)
        handle.remove()


@pytest.mark.parametrize("edge", EDGES, ids=["->".join(edge) for edge in EDGES])
def test_edges_are_what_hooks_say(parts: Parts, task: Task, edge: tuple[str, str]) -> None:
    target, source = numbers(parts, edge)
    only = torch.zeros_like(parts.graph.allowed)
    only[target, source] = True
    exact, estimate = edge_patching(parts, task, only), edge_attribution(parts, task)
    module = parts.subject.module
    for row, pair in enumerate(task.pairs):
        clean, corrupted = torch.tensor([pair.clean]), torch.tensor([pair.corrupted])
        change = (
            written(module, parts.graph, corrupted)[source] - written(module, parts.graph, clean)[source]
        ).detach()
        with feeding(module, parts.graph, target, lambda x, change=change: x + change):
            patched = plain_metric(module, clean)
        wanted = patched - plain_metric(module, clean)
        assert float(exact.by_pair[row, target, source]) == pytest.approx(wanted, abs=1e-5)
        # The product of difference and gradient is the derivative along the difference.
        amount = torch.zeros((), requires_grad=True)
        with feeding(module, parts.graph, target, lambda x, change=amount * change: x + change):
            (slope,) = torch.autograd.grad(metric(module(clean).logits).sum(), amount)
        assert float(estimate.by_pair[row, target, source]) == pytest.approx(float(slope), abs=1e-4)


def test_integrated_gradients_come_to_the_exact_effect(parts: Parts, task: Task) -> None:
    """All that leaves the embedding together has the effect of the whole counterfactual."""
    exact = node_patching(parts, task, [0])[:, 0]
    errors = []
    for steps in (2, 8, 40):
        found = integrated_edge_attribution(parts, task, steps=steps).by_pair[:, :, 0].sum(1)
        errors.append(float((found - exact).abs().max()))
    assert errors[2] < errors[0]
    assert errors[2] < 0.02 * float(exact.abs().max())


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.smooth])
def test_points_run_together_are_as_points_run_one_by_one(parts: Parts, task: Task, name: str) -> None:
    """Of several pairs and points, each gradient has to meet its own pair and its own stream."""
    task = replace(task, metric=METRICS[name])
    together = integrated_edge_attribution(parts, task, steps=3).by_pair
    singly = integrated_edge_attribution(Parts(parts.subject, memory=1), task, steps=3).by_pair
    assert len(task) > 1
    assert float(singly.abs().max()) > 1e-3
    torch.testing.assert_close(together, singly, rtol=1e-4, atol=1e-6)


@pytest.fixture(scope="module")
def linear() -> Parts:
    """No norm, attention that is the same everywhere, an MLP whose units are all on."""
    config = SmallTransformerConfig(vocab_size=30, hidden_size=12, intermediate_size=10, head_dim=5)
    torch.manual_seed(0)
    module = SmallTransformerForCausalLM(config)
    with torch.no_grad():
        for name, weight in module.named_parameters():
            weight.normal_(std=0.3)
            if "q_proj" in name:
                weight.zero_()
            if name.endswith("up_proj.bias"):
                weight.fill_(100.0)
            if "down_proj" in name:
                weight.mul_(0.02)
    return Parts(Subject.wrap(module, probe=[0, 4, 5, 6], context=16))


def test_on_a_linear_model_attribution_is_patching(linear: Parts, task: Task) -> None:
    ids = [[tuple(i % 30 for i in x) for x in (p.clean, p.corrupted, p.right, p.wrong)] for p in task.pairs]
    small = Task("small", tuple(Pair(*one) for one in ids))
    exact, estimate = node_patching(linear, small), node_attribution(linear, small)
    torch.testing.assert_close(estimate, exact, rtol=1e-3, atol=2e-4)
    assert exact.abs().max() > 0.1
    edges = linear.graph.allowed
    reading = torch.tensor([t.reading != "q" and t.reading != "k" for t in linear.graph.targets])
    torch.testing.assert_close(
        edge_attribution(linear, small).by_pair[:, reading],
        edge_patching(linear, small, edges).by_pair[:, reading],
        rtol=1e-3,
        atol=2e-4,
    )


def test_cutting_one_edge_is_patching_it(parts: Parts, task: Task) -> None:
    whole = Circuit.whole(parts.graph)
    cut = [Circuit(parts.graph, whole.edges.clone()) for _ in EDGES]
    only = torch.zeros_like(whole.edges)
    for circuit, edge in zip(cut, EDGES, strict=True):
        circuit.edges[numbers(parts, edge)] = False
        only[numbers(parts, edge)] = True
    values = metric_of_circuits(parts, task, [whole, *cut])
    exact = edge_patching(parts, task, only).by_pair
    for row, edge in enumerate(EDGES):
        torch.testing.assert_close(
            values[row + 1] - values[0], exact[(slice(None), *numbers(parts, edge))], rtol=0, atol=2e-5
        )


def test_a_recheck_puts_exact_effects_first(parts: Parts, task: Task) -> None:
    scores = edge_attribution(parts, task)
    found = rechecked(parts, task, scores, 40)
    exact = edge_patching(parts, task, parts.graph.allowed)
    best = scores.mean.abs().flatten().topk(40).indices
    torch.testing.assert_close(found.mean.flatten()[best], exact.mean.flatten()[best])
    rest = torch.ones_like(parts.graph.allowed).flatten()
    rest[best] = False
    assert found.mean.abs().flatten()[rest].max() <= found.mean.abs().flatten()[best].median() + 1e-6


@pytest.mark.parametrize(
    "name", ["gpt2", "gpt_neox", "gpt_neox parallel", "llama", "phi", "phi3", "gemma2", "olmo2", "qwen3"]
)
def test_every_family_falls_apart_and_comes_together(name: str, tmp_path: Path) -> None:
    """With every edge the model is itself; with none it answers the corrupted prompt; blockwise memory changes nothing."""
    subject = Subject.load(str(write_family(FAMILIES[name], tmp_path / "model")))
    parts = Parts(subject, memory=1)
    pairs = [Pair((1, 5, 6, 7), (1, 5, 8, 7), (3,), (4,)), Pair((1, 9, 6, 7), (1, 9, 9, 7), (3,), (4,))]
    task = Task("made up", tuple(pairs))
    circuits = [Circuit.whole(parts.graph), Circuit.empty(parts.graph)]
    found = metric_of_circuits(parts, task, circuits, ablation=Ablation.COUNTERFACTUAL)
    for row, pair in enumerate(pairs):
        for which, ids in enumerate((pair.clean, pair.corrupted)):
            logits = subject.run(torch.tensor([ids]), logits=True).logits
            assert logits is not None
            wanted = float(logits[0, -1, 3] - logits[0, -1, 4])
            assert float(found[which, row]) == pytest.approx(wanted, abs=2e-4)
    exact = node_patching(parts, task)
    assert bool(torch.isfinite(exact).all())
    assert float(exact.abs().max()) > 0
