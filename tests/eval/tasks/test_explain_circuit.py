"""Whole circuits: held against edges read off the weights, and against answers that are wrong in one respect."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from autointerp.eval._answers import CircuitAnswer
from autointerp.eval.tasks._circuits import Circuit
from autointerp.eval.tasks._explain_circuit import CircuitProblem, ExplainCircuit
from tests.eval.tasks.validity import graded_exactly, tells_nothing, the_same_again


@pytest.fixture(scope="module")
def problems() -> list[CircuitProblem]:
    """A plain one and one in disguise, as they are asked, and more plain ones."""
    more = [CircuitProblem(Circuit.make(program, 2, 0)) for program in ("lead", "maximum")]
    return [*ExplainCircuit().problems(1, 2), *more]


@pytest.fixture(scope="module")
def rotate() -> CircuitProblem:
    """A count, where to look by the table of an MLP, and a head that fetches what is there."""
    return CircuitProblem(Circuit.make("rotate", 5, 0))


def test_truth_and_chance(problems: list[CircuitProblem]) -> None:
    graded_exactly(ExplainCircuit(), problems)


def test_the_same_seed_asks_the_same() -> None:
    the_same_again(ExplainCircuit(), 5, 1)


def test_the_kit(problems: list[CircuitProblem], tmp_path: Path) -> None:
    problem = problems[0]
    question = tells_nothing(ExplainCircuit(), problem, tmp_path)
    rows = [json.loads(line) for line in (tmp_path / question.given["values"]).read_text().splitlines()]
    assert set(rows[0]["values"]) == set(question.given["variables"])
    text = (tmp_path / question.given["values"]).read_text()
    assert not [name for name in problem.labels.values() if name in text]
    for row in rows:
        assert all(len(values) == len(row["text"].split()) for values in row["values"].values())


def test_rotate_by_hand(rotate: CircuitProblem) -> None:
    """length -> place -> fetched; the last MLP is empty, and so is what would be a second head."""
    truth = rotate.truth()
    assert truth.roles == {
        "a0.h0": "counting head",
        "m0": "table",
        "a1.h0": "unused",
        "m1": "table",
        "a2.h0": "moving head",
        "m2": "unused",
    }
    inner = {"a0.h0->m0", "m0->m1", "input->m1", "m1->a2.h0", "input->a2.h0", "a2.h0->logits"}
    assert set(truth.edges) - {"input->a0.h0"} == inner
    # Weights that are not zero, by themselves: an unused part writes nothing.
    layers = rotate.circuit.organism.module.model.layers
    for number, layer in enumerate(layers):
        assert bool(layer.attention.o_proj.weight.any()) == (truth.roles[f"a{number}.h0"] != "unused")
        assert bool(layer.mlp.down_proj.weight.any()) == (truth.roles[f"m{number}"] != "unused")
    assert all(torch.isfinite(layer.mlp.up_proj.weight).all() for layer in layers)


def test_each_part_of_an_answer_counts(rotate: CircuitProblem) -> None:
    truth = rotate.truth()
    no_edges = rotate.grade(truth.model_copy(update={"edges": {}}))
    assert no_edges.parts == {"edge AUROC": 0.5, "role accuracy": 1.0, "IIA": 1.0}
    other_way = {pair: -truth.edges.get(pair, 0.0) for pair in rotate.pairs}
    assert rotate.grade(truth.model_copy(update={"edges": other_way})).parts["edge AUROC"] == 0
    lazy = rotate.grade(truth.model_copy(update={"roles": dict.fromkeys(truth.roles, "table")}))
    assert lazy.parts["role accuracy"] == 0.25
    wrong = rotate.grade(truth.model_copy(update={"variables": dict.fromkeys(truth.variables, "m2")}))
    assert wrong.parts["IIA"] < 0.7
    assert not wrong.success


def test_names_that_are_none(rotate: CircuitProblem) -> None:
    answer = CircuitAnswer(
        edges={"x->y": float("nan"), "a0.h0->m0": float("inf")},
        roles={"a0.h0": "wizard", "z": "table"},
        variables=dict.fromkeys(rotate.labels, "a7.h7"),
    )
    grade = rotate.grade(answer)
    assert grade.parts["IIA"] == 0
    assert grade.parts["role accuracy"] == 0
