"""Grading: against interchange done with torch's own hooks, and against truths that are false."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from autointerp.eval.organisms import CircuitOrganism, Component
from autointerp.eval.organisms._interchange import Grader, Swaps, counterfactual, draw_swaps, scrambled
from autointerp.eval.organisms.rasp import NOTHING
from autointerp.records import SiteKind
from tests.eval.conftest import circuit
from tests.eval.networks import PAD, patched


def drawn(organism: CircuitOrganism, count: int, names: list[str] | None = None) -> tuple[Grader, Swaps]:
    truth = organism.truth()
    model, random = truth.model, np.random.default_rng(0)
    inputs = model.inputs(below=5000, otherwise=5000, random=random)
    components = {node.name: node.component for node in truth.nodes}
    return (
        Grader(organism.subject(), organism.strings, components),
        draw_swaps(model, names or organism.variables(), inputs, count, random),
    )


def exchanged(
    module: torch.nn.Module, layer: int, kind: str, own: list[int], texts: list[torch.Tensor], places: np.ndarray
) -> torch.Tensor:
    """Logits on the first text while some coordinates hold, at some places, what they hold on the second."""
    seen: list[torch.Tensor] = []

    def look(x: torch.Tensor) -> torch.Tensor:
        seen.append(x)
        return x

    def put(x: torch.Tensor) -> torch.Tensor:
        x = x.clone()
        for place in places:
            x[0, place, own] = seen[0][0, place, own]
        return x

    patched(module, layer, kind, look, texts[1])
    return patched(module, layer, kind, put, texts[0])


@pytest.mark.parametrize("name", ["ahead.share", "place", "sorted"])
def test_an_interchange_is_the_one_that_hooks_make(sorting: CircuitOrganism, name: str) -> None:
    grader, swaps = drawn(sorting, 40, [name])
    model, component = sorting.circuit.model, sorting.circuit.component(name)
    kind = "attention" if component.site.kind is SiteKind.HEAD_OUT else "mlp"
    own = list(component.coordinates)
    base, source = grader.ids(model, swaps.base), grader.ids(model, swaps.source)
    # A text at a time, with no padding and no mask.
    wanted = grader.wanted(model, counterfactual(model, swaps))
    for row in range(len(swaps)):
        pairs = ((base, swaps.base), (source, swaps.source))
        texts = [ids[row : row + 1, : 1 + int((given[row] != NOTHING).sum())] for ids, given in pairs]
        logits = exchanged(sorting.module, component.site.layer, kind, own, texts, np.flatnonzero(swaps.where[row]) + 1)
        found = logits[0, 1:].argmax(-1).numpy()
        predicted = wanted[row, : len(found)]
        assert ((found == predicted) | (predicted == NOTHING)).all()
    assert grader.iia(model, swaps) == 1.0


def test_swaps_change_the_variable_and_half_of_them_the_answer(sorting: CircuitOrganism) -> None:
    _, swaps = drawn(sorting, 400)
    model = sorting.circuit.model
    before, after = model.solve(swaps.base), model.solve(swaps.source)
    clean, moved = before[model.output], counterfactual(model, swaps)
    for row in range(len(swaps)):
        name = swaps.names[swaps.variable[row]]
        where = swaps.where[row]
        assert (before[name][row] != after[name][row])[where].any()
        assert (swaps.base[row] != NOTHING)[where].all()
        assert (swaps.source[row] != NOTHING)[where].all()
    assert len(swaps) == 400
    assert {swaps.names[i] for i in swaps.variable} == set(sorting.variables())
    changed = ((clean != moved) & (moved != NOTHING)).any(axis=1)
    assert changed.mean() == pytest.approx(0.5, abs=0.01)


def test_a_wrong_function_a_wrong_place_and_a_hidden_part_are_found_out(sorting: CircuitOrganism) -> None:
    grader, swaps = drawn(sorting, 300)
    truth, random = sorting.circuit, np.random.default_rng(1)
    assert grader.iia(truth.model, swaps) == 1.0
    assert grader.iia(scrambled(truth.model, random), swaps) < 0.6
    exchanged = {**grader.components, "ahead": grader.components["place"], "place": grader.components["ahead"]}
    assert Grader(sorting.subject(), sorting.strings, exchanged).iia(truth.model, swaps) < 0.9
    # A head that moves the tokens, declared to belong to no variable.
    hidden = [*truth.unused, grader.components["ahead"]]
    base, source = swaps.base, swaps.base[random.permutation(len(swaps))]
    assert grader.strictness(truth.model, truth.unused, base, source) == 1.0
    assert grader.strictness(truth.model, hidden, base, source) < 0.9


def test_a_component_that_does_nothing_is_found_out(sorting: CircuitOrganism) -> None:
    grader, swaps = drawn(sorting, 200, ["sorted"])
    idle = next(component for component in sorting.circuit.unused if component.site.kind is SiteKind.HEAD_OUT)
    grader = Grader(sorting.subject(), sorting.strings, {**grader.components, "sorted": idle})
    # The variable is the answer, so every exchange of it changes the answer.
    assert grader.iia(sorting.circuit.model, swaps) == 0.0


def test_undefined_answers_do_not_count() -> None:
    organism = circuit("sort", length=3)
    grader, swaps = drawn(organism, 400, ["place"])
    moved = counterfactual(organism.circuit.model, swaps)
    assert (moved != NOTHING).any(axis=1).all()
    undefined = (moved == NOTHING) & (swaps.base != NOTHING)
    assert undefined.any()
    assert grader.iia(organism.circuit.model, swaps) == 1.0


def test_a_check_prints_both_models_with_their_bounds(sorting: CircuitOrganism) -> None:
    figures = {figure.name: figure for figure in sorting.check(count=300)}
    assert figures["accuracy"].value == figures["IIA of the true model"].value == 1.0
    assert figures["IIA of a scrambled model"].value < 0.6
    assert all(figure.holds for figure in figures.values())
    broken = replace(figures["accuracy"], value=0.99)
    assert not broken.holds


def test_a_component_has_coordinates_or_codes(sorting: CircuitOrganism) -> None:
    for node in sorting.truth().nodes:
        component: Component = node.component
        assert bool(component.coordinates) != bool(component.codes)
    ids = torch.tensor([[0, 3], [0, PAD]])
    assert sorting.module(ids).logits.shape == (2, 2, len(sorting.strings))
