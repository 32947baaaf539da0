"""Effects of latents and neurons against plain matrices, torch's own hooks and finite differences."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from autointerp.circuits import (
    Ablation,
    LatentNode,
    LatentParts,
    Pair,
    Task,
    integrated_latent_attribution,
    latent_attribution,
    latent_edges,
    latent_patching,
    metric_named,
    unexplained_variance,
)
from autointerp.dictionaries import open_dictionary
from autointerp.eval.organisms.transformer import SmallTransformerConfig, SmallTransformerForCausalLM
from autointerp.models import Subject
from autointerp.records import SiteKind
from autointerp.testing import tiny_dictionary
from tests.circuits.plain_latents import Plain, adding, changed, entering, metric, plain_metric, seen

RESID, NEURON = SiteKind.RESID_POST, SiteKind.MLP_HIDDEN
#: Of finite differences: the norms of the tiny model compute in single precision whatever they are given.
STEP = 1e-2


def nodes_at(parts: LatentParts, number: int) -> list[LatentNode]:
    """Every node of a site."""
    site = parts.sites[number]
    latents = [LatentNode(site.writes.layer, site.writes.kind, feature) for feature in range(site.size)]
    return [*latents, LatentNode(site.writes.layer, site.writes.kind, None)] if site.has_rest else latents


def ids_of(task: Task) -> list[tuple[Tensor, Tensor]]:
    return [(torch.tensor([pair.clean]), torch.tensor([pair.corrupted])) for pair in task.pairs]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, subject: Subject) -> list[Path]:
    """Autoencoders behind the first and the second block, with other weights than the shared one."""
    folder = tmp_path_factory.mktemp("latents")
    return [tiny_dictionary(folder / str(i), width=subject.width, layer=i, seed=7 + i) for i in (0, 1)]


@pytest.fixture(scope="module")
def both(folders: list[Path], subject: Subject) -> LatentParts:
    return LatentParts(subject, [open_dictionary(str(folder), subject) for folder in reversed(folders)])


@pytest.fixture(scope="module")
def neurons(subject: Subject) -> LatentParts:
    return LatentParts(subject, neurons=range(subject.layers))


@dataclass(frozen=True, eq=False)
class Streams:
    """What a place of the tiny model gives on every clean prompt and every corrupted one, [tokens, width] each."""

    clean: list[Tensor]
    corrupted: list[Tensor]


def streams(module: Any, place: Any, task: Task, *, entry: bool = False) -> Streams:
    pairs = ids_of(task)
    own, other = ([seen(module, place, pair[i], entry=entry) for pair in pairs] for i in (0, 1))
    return Streams(own, other)


@pytest.mark.parametrize("ablation", [Ablation.COUNTERFACTUAL, Ablation.ZERO, Ablation.MEAN])
def test_patching_a_latent_is_what_a_hook_does(
    both: LatentParts, folders: list[Path], task: Task, ablation: Ablation
) -> None:
    nodes = [*latent_attribution(both, task, ablation=ablation).top(3, errors=False), LatentNode(1, RESID, None)]
    exact = latent_patching(both, task, nodes, ablation=ablation)
    module = both.subject.module
    base = [plain_metric(module, clean) for clean, _ in ids_of(task)]
    blocks = module.model.layers
    there = [streams(module, blocks[layer], task) for layer in (0, 1)]
    for place, node in enumerate(nodes):
        plain, here = Plain(folders[node.layer]), there[node.layer]

        def part(x: Tensor, node: LatentNode = node, plain: Plain = plain) -> Tensor:
            if node.feature is None:
                return plain.rest(x)
            return plain.acts(x)[:, node.feature, None] * plain.rows[node.feature]

        nothing = plain.b_dec if node.feature is None else torch.zeros(1)
        mean = torch.cat([part(x)[1:] for x in here.clean]).mean(0)
        for row, (clean, _) in enumerate(ids_of(task)):
            wanted = {
                Ablation.COUNTERFACTUAL: part(here.corrupted[row]),
                Ablation.ZERO: nothing,
                Ablation.MEAN: mean,
            }[ablation]
            shift = (wanted - part(here.clean[row])).float()
            with changed(blocks[node.layer], adding(shift)):
                patched = plain_metric(module, clean)
            assert patched - base[row] == pytest.approx(float(exact[row, place]), abs=2e-5), node.name
    assert exact.abs().max() > 0.05


def test_patching_a_neuron_is_what_a_hook_does(neurons: LatentParts, task: Task) -> None:
    module = neurons.subject.module
    nodes = [LatentNode(0, NEURON, 3), LatentNode(1, NEURON, 40)]
    exact, ablated = (
        latent_patching(neurons, task, nodes, ablation=kind) for kind in (Ablation.COUNTERFACTUAL, Ablation.ZERO)
    )
    base = [plain_metric(module, clean) for clean, _ in ids_of(task)]
    for place, node in enumerate(nodes):
        down = module.model.layers[node.layer].mlp.down_proj
        there = streams(module, down, task, entry=True)
        for row, (clean, _) in enumerate(ids_of(task)):
            for values, found in ((there.corrupted[row], exact), (torch.zeros_like(there.corrupted[row]), ablated)):
                shift = torch.zeros_like(values)
                shift[:, node.feature] = (values - there.clean[row])[:, node.feature]
                with entering(down, adding(shift)):
                    patched = plain_metric(module, clean)
                assert patched - base[row] == pytest.approx(float(found[row, place]), abs=2e-5)
    assert exact.abs().max() > 1e-3


def test_by_position_a_node_is_one_token_of_it(both: LatentParts, task: Task) -> None:
    short = Task("short", tuple(pair for pair in task.pairs if len(pair.clean) == 6))
    together, apart = latent_attribution(both, short), latent_attribution(both, short, by_position=True)
    (node, *_) = together.top(1)
    tokens = [LatentNode(node.layer, node.kind, node.feature, t) for t in range(6)]
    assert float(apart.of(tokens).sum()) == pytest.approx(float(together.of([node])[0]), abs=1e-6)
    best = apart.top(3)
    exact = latent_patching(both, short, best)
    assert [node.position is not None for node in best] == [True] * 3
    assert exact.abs().max() > 0
    with pytest.raises(Exception, match="several lengths have no tokens in common"):
        latent_attribution(both, task, by_position=True)


@pytest.mark.parametrize("metric_name", ["logit_difference", "probability"])
def test_integrated_gradients_of_a_site_come_to_the_exact_effect_of_it(
    both: LatentParts, task: Task, metric_name: str
) -> None:
    measured = Task(task.name, task.pairs, metric_named(metric_name))
    module = both.subject.module
    exact = []
    for clean, corrupted in ids_of(task):
        values = []
        for ids in (clean, corrupted):
            logits = module(ids).logits[0, -1].detach()
            values.append(
                float(logits.softmax(0)[[10, 11]].sum())
                if metric_name == "probability"
                else float(logits[[10, 11]].mean() - logits[20])
            )
        exact.append(values[1] - values[0])
    wanted = sum(exact) / len(exact)
    errors = []
    for steps in (1, 12):
        found = integrated_latent_attribution(both, measured, steps=steps)
        # To patch the whole stream behind a block at all tokens is to run the other prompt.
        errors.append(max(abs(found.total(number) - wanted) for number in range(2)))
    assert errors[1] < errors[0]
    assert errors[1] < 0.05 * max(map(abs, exact))


@pytest.fixture(scope="module")
def linear() -> Subject:
    """No norm, attention that is the same everywhere, an MLP whose units are all on: linear in every site."""
    config = SmallTransformerConfig(vocab_size=30, hidden_size=12, intermediate_size=10, head_dim=5)
    generator = torch.Generator().manual_seed(0)
    module = SmallTransformerForCausalLM(config)
    with torch.no_grad():
        for name, weight in module.named_parameters():
            weight.copy_(0.3 * torch.randn(weight.shape, generator=generator))
            if "q_proj" in name:
                weight.zero_()
            if name.endswith("up_proj.bias"):
                weight.fill_(100.0)
            # What leaves the last layer passes no unit any more, and may be large.
            if "down_proj" in name and ".0." in name:
                weight.mul_(0.02)
    return Subject.wrap(module, probe=[0, 4, 5, 6], context=16)


@pytest.fixture(scope="module")
def small(task: Task) -> Task:
    """The task under a vocabulary of 30."""
    ids = [[tuple(i % 30 for i in x) for x in (p.clean, p.corrupted, p.right, p.wrong)] for p in task.pairs]
    return Task("small", tuple(Pair(*one) for one in ids))


@pytest.mark.parametrize("ablation", [Ablation.COUNTERFACTUAL, Ablation.ZERO])
def test_on_a_linear_model_all_three_agree_and_add_up(
    linear: Subject, small: Task, tmp_path: Path, ablation: Ablation
) -> None:
    folder = tiny_dictionary(tmp_path / "linear", width=12, layer=0)
    parts = LatentParts(linear, [open_dictionary(str(folder), linear)], neurons=[1])
    for number in range(2):
        nodes = nodes_at(parts, number)
        exact = latent_patching(parts, small, nodes, ablation=ablation).mean(0).double()
        estimate = latent_attribution(parts, small, ablation=ablation)
        integrated = integrated_latent_attribution(parts, small, steps=2, ablation=ablation)
        torch.testing.assert_close(estimate.of(nodes), exact, rtol=1e-3, atol=2e-4)
        torch.testing.assert_close(integrated.of(nodes), exact, rtol=1e-3, atol=2e-4)
        assert exact.abs().max() > 0.01
        assert estimate.total(number) == pytest.approx(float(exact.sum()), rel=1e-3, abs=1e-3)
    if ablation is Ablation.COUNTERFACTUAL:
        # All latents and the error of the stream behind the first block are the whole of it.
        module, whole = linear.module, []
        for pair in small.pairs:
            values = [module(torch.tensor([ids])).logits[0, -1].detach() for ids in (pair.clean, pair.corrupted)]
            whole.append(float((values[1] - values[0])[[10, 11]].mean() - (values[1] - values[0])[20]))
        assert estimate.total(0) == pytest.approx(sum(whole) / len(whole), rel=1e-3)


def test_an_edge_is_what_finite_differences_say(both: LatentParts, folders: list[Path], task: Task) -> None:
    single = Task("one", task.pairs[:1])
    effects = latent_attribution(both, single)
    clean, corrupted = ids_of(single)[0]
    module = copy.deepcopy(both.subject.module).double()
    first, second = Plain(folders[0]), Plain(folders[1])
    blocks = module.model.layers
    streams = [seen(module, blocks[0], ids) for ids in (clean, corrupted)]
    kept: list[Tensor] = []

    def followed(x: Tensor) -> Tensor:
        kept.append(x.detach().requires_grad_())
        return kept[0]

    with changed(blocks[1], followed):
        (gradient,) = torch.autograd.grad(metric(module(clean).logits).sum(), kept[0])
    active = (second.acts(kept[0][0]) > 0).any(0).nonzero().flatten().tolist()
    sources = [node for node in effects.top(len(effects)) if node.layer == 0][:5]
    targets = [LatentNode(1, RESID, None), *(LatentNode(1, RESID, j) for j in active)]
    edges = {(e.source, e.target): e.effect for e in latent_edges(both, single, targets, sources=sources)}
    large = sorted(edges, key=lambda ends: -abs(edges[ends]))[:12]
    assert any(target is not None and target.feature is not None for _, target in large)
    for source, target in large:
        if target is None:
            continue
        if source.feature is None:
            shift = first.rest(streams[1]) - first.rest(streams[0])
        else:
            change = first.acts(streams[1])[:, source.feature] - first.acts(streams[0])[:, source.feature]
            shift = change[:, None] * first.rows[source.feature]
        worth = []
        for sign in (1, -1):
            with changed(blocks[0], adding(sign * STEP * shift)):
                x = seen(module, blocks[1], clean)
            part = (
                second.rest(x)
                if target.feature is None
                else second.acts(x)[:, target.feature, None] * second.rows[target.feature]
            )
            worth.append(float((part * gradient[0]).sum()))
        assert (worth[0] - worth[1]) / (2 * STEP) == pytest.approx(edges[source, target], rel=3e-3, abs=2e-5)


@pytest.mark.parametrize("cut", ["autoencoders", "neurons", "transcoder"])
def test_edges_from_a_node_add_up_to_its_effect(
    subject: Subject, folders: list[Path], task: Task, tmp_path: Path, cut: str
) -> None:
    if cut == "neurons":
        parts = LatentParts(subject, neurons=[0, 1, 2])
    elif cut == "autoencoders":
        parts = LatentParts(subject, [open_dictionary(str(folder), subject) for folder in folders])
    else:
        # Of what comes behind a norm a transcoder has to make more for its latents to be active.
        file = tiny_dictionary(tmp_path / "transcoder", width=subject.width) / "sae_weights.safetensors"
        weights = load_file(file)
        save_file(weights | {"W_enc": 2 * weights["W_enc"]}, file)
        names = (f"{folders[0]}", f"{file.parent}@mlp_in.1:mlp_out.1")
        parts = LatentParts(subject, [open_dictionary(name, subject) for name in names], neurons=[2])
    later = [node for number in range(1, len(parts.sites)) for node in nodes_at(parts, number)]
    effects = latent_attribution(parts, task)
    sources = [node for node in effects.top(len(effects)) if parts.numbered(node) == 0][:4]
    totals, through = dict.fromkeys(sources, 0.0), set()
    for edge in latent_edges(parts, task, later, sources=sources):
        totals[edge.source] += edge.effect
        through.add(None if edge.target is None else (edge.target.kind, edge.target.feature is None))
    assert len(through) >= {"neurons": 2, "autoencoders": 2, "transcoder": 4}[cut]
    wanted = effects.of(sources).tolist()
    assert list(totals.values()) == pytest.approx(wanted, rel=2e-3, abs=1e-4)


def test_what_latents_leave_unexplained(both: LatentParts, folders: list[Path], task: Task) -> None:
    module = both.subject.module
    for number, share in enumerate(unexplained_variance(both, task)):
        plain = Plain(folders[number])
        x = torch.cat([seen(module, module.model.layers[number], clean)[1:] for clean, _ in ids_of(task)]).double()
        error = plain.rest(x) - plain.b_dec
        assert share == pytest.approx(float(error.square().sum() / (x - x.mean(0)).square().sum()), rel=1e-4)


def test_memory_changes_nothing(both: LatentParts, subject: Subject, folders: list[Path], task: Task) -> None:
    tight = LatentParts(subject, [open_dictionary(str(folder), subject) for folder in folders], memory=1)
    assert tight.rows(6) == 1
    nodes = latent_attribution(both, task).top(5)
    for ablation in Ablation:
        some = Task("same length", tuple(pair for pair in task.pairs if len(pair.clean) == 6))
        a, b = (latent_attribution(parts, some, ablation=ablation).of(nodes) for parts in (both, tight))
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
