"""Tests of roles against plain hooks, hand-worked numbers, and heads that are known by construction."""

from __future__ import annotations

import itertools
from copy import deepcopy

import pytest
import torch

from autointerp.circuits import (
    HEAD_ROLES,
    CausalModel,
    Pair,
    Parts,
    PatternTrials,
    Task,
    Variable,
    direct_effect,
    fitted_to_units,
    mechanism_named,
    node_patching,
    output_replaced,
    places_of,
    swap_distances,
    swap_silhouettes,
    task_attention,
)
from autointerp.errors import InputError
from autointerp.models import Edit, Operation, Subject
from autointerp.records import SiteKind


def answered(parts: Parts, ids: torch.Tensor, layer: int, head: int, pattern: torch.Tensor) -> torch.Tensor:
    """The logits after prompts with one head's attention set, one prompt at a time."""
    site = parts.site(layer, SiteKind.PATTERN)
    rows = [
        parts.subject.run(
            ids[i : i + 1],
            edits=[Edit(site, Operation.SET, pattern[i, None, None], part=(head, head + 1))],
            logits=True,
        )
        for i in range(len(ids))
    ]
    return torch.cat([run.logits[:, -1] for run in rows if run.logits is not None])


@pytest.mark.parametrize("name", ["a0.h1", "a2.h3"])
def test_replacing_a_pattern_is_what_editing_it_by_hand_does(parts: Parts, task: Task, name: str) -> None:
    source = parts.graph.sources[parts.graph.source_numbers[name]]
    mechanism = mechanism_named("previous token")
    assert mechanism is not None
    assert source.head is not None
    found = PatternTrials(parts, task).replaced(source, places_of(parts, mechanism))
    sums = torch.zeros(4, dtype=torch.float64)
    for pair in task.pairs:
        ids = torch.tensor([pair.clean])
        tokens = ids.shape[1]
        site = parts.site(source.layer, SiteKind.PATTERN)
        own = parts.subject.run(ids, capture=[site]).sites[site][:, source.head]
        ideal, even, beside = own.clone(), own.clone(), own.clone()
        for place in range(2, tokens):
            # The token before the last; BOS is never attended to by the role.
            ideal[0, place], even[0, place], beside[0, place] = 0, 0, 0
            ideal[0, place, place - 1] = 1
            even[0, place, : place + 1] = 1 / (place + 1)
            beside[0, place, place - 2 if place - 2 >= 1 else place] = 1
        for number, pattern in enumerate((own, ideal, even, beside)):
            logits = answered(parts, ids, source.layer, source.head, pattern)[0]
            sums[number] += float(logits[list(pair.right)].mean() - logits[list(pair.wrong)].mean())
    whole, kept, spread, other = (sums / len(task)).tolist()
    assert found.effect == pytest.approx(spread - whole, abs=1e-4)
    if found.held is not None:
        assert found.held == pytest.approx((kept - spread) / (whole - spread), abs=1e-2)
        assert found.beside == pytest.approx((other - spread) / (whole - spread), abs=1e-2)


def test_the_last_part_is_read_by_the_logits_alone(parts: Parts, task: Task) -> None:
    last = parts.graph.sources[-1]
    rank, share = direct_effect(parts, task, last)
    assert share == pytest.approx(1, abs=1e-3)
    assert -1 <= rank <= 1
    number = parts.graph.source_numbers["a0.h0"]
    early = direct_effect(parts, task, parts.graph.sources[number])[1]
    assert early is not None
    total = float(node_patching(parts, task, [number]).sum())
    assert early * total != pytest.approx(total, rel=1e-3)


def test_where_no_head_looks_back_the_first_mlp_is_a_token_lookup(parts: Parts, task: Task) -> None:
    """The same model with nothing written by the heads of its first layer: the MLP there reads the token alone."""
    subject = parts.subject
    module = deepcopy(subject.module)
    with torch.no_grad():
        module.model.layers[0].self_attn.o_proj.weight.zero_()
    blind = Subject.wrap(module, tokenizer=subject.tokenizer, bos=subject.bos, padding=subject.padding, context=64)
    first = parts.graph.sources[parts.graph.source_numbers["m0"]]
    replaced, agreement = output_replaced(Parts(blind), task, first, seed=0)
    assert agreement == pytest.approx(1, abs=1e-4)
    assert replaced.held is None or replaced.held == pytest.approx(1, abs=1e-2)
    assert output_replaced(parts, task, first, seed=0)[1] < 0.999


def test_what_heads_write_is_not_tried_elsewhere(parts: Parts, task: Task) -> None:
    with pytest.raises(InputError, match=r"a0\.h0 is a head"):
        output_replaced(parts, task, parts.graph.sources[1], seed=0)


def test_swap_distances_are_those_of_two_edits(parts: Parts, task: Task) -> None:
    names = ["a0.h1", "a2.h2", "a2.h3"]
    found = swap_distances(parts, task, names)
    assert torch.equal(found, found.T)
    assert torch.equal(found.diagonal(), torch.zeros(3, dtype=torch.float64))
    total = 0.0
    for pair in task.pairs:
        ids = torch.tensor([pair.clean])
        sites = [parts.site(layer, SiteKind.PATTERN) for layer in (0, 2)]
        run = parts.subject.run(ids, capture=sites, logits=True)
        assert run.logits is not None
        one, other = run.sites[sites[0]][:, 1:2], run.sites[sites[1]][:, 3:4]
        edits = [Edit(sites[0], Operation.SET, other, part=(1, 2)), Edit(sites[1], Operation.SET, one, part=(3, 4))]
        p, q = run.logits[0, -1].double().softmax(0), parts.logits(ids, edits)[0].double().softmax(0)
        mean = (p + q) / 2
        divergence = ((p * (p / mean).log2()).sum() + (q * (q / mean).log2()).sum()) / 2
        total += float(divergence.sqrt())
    assert float(found[0, 2]) == pytest.approx(total / len(task), abs=1e-4)
    with pytest.raises(InputError, match="several kinds"):
        swap_distances(parts, task, ["a0.h1", "m0"])


def test_silhouettes_of_a_table_worked_by_hand() -> None:
    """Two near each other and far from a third and a fourth; the fourth, claimed for the first group, is near the third."""
    distances = torch.tensor([[0.0, 1, 4, 4], [1, 0, 4, 4], [4, 4, 0, 2], [4, 4, 2, 0]], dtype=torch.float64)
    assert swap_silhouettes(distances, [0, 0, 1, 1]) == [0.75, 0.75, 0.5, 0.5]
    assert swap_silhouettes(distances, [0, 0, 1, 0]) == [
        pytest.approx((4 - 2.5) / 4),
        pytest.approx((4 - 2.5) / 4),
        0.0,
        pytest.approx((2 - 4) / 4),
    ]
    assert swap_silhouettes(distances, [0, 0, 0, 0]) == [0.0] * 4


def test_shares_of_attention_on_the_task_are_those_of_the_pattern(parts: Parts, task: Task) -> None:
    found = task_attention(parts, task.pairs, ["a1.h2"])
    assert found.keys() == HEAD_ROLES.keys()
    site, shares = parts.site(1, SiteKind.PATTERN), []
    for pair in task.pairs:
        pattern = parts.subject.run(torch.tensor([pair.clean]), capture=[site]).sites[site][0, 2]
        shares += [float(pattern[place, place - 1]) for place in range(2, len(pair.clean))]
    assert found["previous token"]["a1.h2"] == pytest.approx(sum(shares) / len(shares), abs=1e-5)


def test_a_map_is_fitted_to_units_before_anything_else(parts: Parts) -> None:
    """A program that names the changed token, held by the embedding alone; the unit that holds nothing is left out."""
    strings, ids = parts.subject.strings, list(range(10, 18))
    pairs = tuple(
        Pair((0, a, 5), (0, b, 5), (a,), (b,)) for a, b in itertools.islice(itertools.permutations(ids, 2), 6)
    )
    source = "def first(tokens):\n    return tokens[0]\n\ndef answer(first):\n    return first\n"
    model = CausalModel(source, (Variable("first", ()),))
    fit = fitted_to_units(parts, model, Task("first", pairs), {"first": [("input",)]}, ["m2"])
    assert "input" in fit.variables[0].components
    assert fitted_to_units(parts, model, Task("first", pairs), {}).variables[0].components == ()
    assert strings[10] != strings[11]
