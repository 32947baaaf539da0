"""The causal model: what follows when a variable is set by force."""

from __future__ import annotations

import operator

import numpy as np
import pytest

from autointerp.eval.organisms import CircuitOrganism, CircuitTruth
from autointerp.eval.organisms.programs import LIBRARY
from autointerp.eval.organisms.rasp import (
    NOTHING,
    Aggregate,
    Forced,
    Indices,
    Map,
    Program,
    Select,
    SelectorWidth,
    SequenceMap,
    Tokens,
    interpret,
    lower,
)

TOKENS, INDICES = Tokens(name="tokens"), Indices(name="indices")


def test_a_forced_variable_is_as_if_the_program_had_computed_it() -> None:
    """Setting `count` to f(index) everywhere is running the program that computes f(index) in its place."""
    count = SelectorWidth(Select(TOKENS, TOKENS, operator.eq), name="count")
    stand_in = Map(lambda i: 2 * int(i) % 3, INDICES)

    def rest(c: object) -> Program:
        place = SequenceMap(lambda n, i: (int(n) + int(i)) % 4, c, INDICES, name="place")
        moved = Aggregate(Select(INDICES, place, operator.eq), TOKENS, default="a")
        return Program("p", "none", "", moved, ("a", "b", "c"), 4)

    model = lower(rest(count)).model
    inputs = model.inputs(below=200, otherwise=0, random=np.random.default_rng(0))
    columns = np.broadcast_to(np.arange(inputs.shape[1]), inputs.shape)
    forced = Forced(inputs != NOTHING, 2 * columns % 3)
    changed = model.solve(inputs, {"count": forced})[model.output]
    for row, answer in zip(inputs, changed, strict=True):
        tokens = [model.vocabulary[i] for i in row if i != NOTHING]
        assert tuple(model[model.output].values[i] for i in answer[: len(tokens)]) == interpret(rest(stand_in), tokens)


def test_only_the_forced_tokens_are_forced() -> None:
    model = lower(LIBRARY["histogram"].build()).model
    inputs = model.indices([["a", "b", "a"], ["c"]])
    where = np.array([[False, True, False], [True, True, True]])
    solved = model.solve(inputs, {"histogram": Forced(where, np.full(inputs.shape, 5))})
    assert solved["histogram"].tolist() == [[2, 5, 2], [5, NOTHING, NOTHING]]
    # What was computed before is as it was.
    assert solved["histogram.share"].tolist() == [[2, 1, 2], [1, NOTHING, NOTHING]]


def test_two_tokens_for_one_place_are_undefined_and_so_is_what_follows() -> None:
    place = Map(lambda i: i, INDICES, name="place")
    moved = Aggregate(Select(place, INDICES, operator.eq), TOKENS, default="a", name="moved")
    same = SequenceMap(operator.eq, moved, TOKENS, name="same")
    model = lower(Program("p", "none", "", same, ("a", "b"), 3)).model
    inputs = model.indices([["a", "b", "a"], ["b", "b", "a"]])
    solved = model.solve(inputs, {"place": Forced(inputs != NOTHING, np.zeros_like(inputs))})
    assert solved["moved"].tolist() == [[NOTHING, 0, 0], [NOTHING, 0, 0]]
    assert solved["same"].tolist() == [[NOTHING, 0, 1], [NOTHING, 0, 1]]


def test_an_undefined_key_does_not_matter_where_another_clause_fails() -> None:
    odd = Map(lambda i: int(i) % 2, INDICES, name="odd")
    mixed = Aggregate(Select(odd, INDICES, lambda k, q: k == 0), TOKENS, default="a", name="mixed")
    chosen = Select(mixed, TOKENS, operator.eq) & Select(INDICES, INDICES, lambda k, q: k == 0 and q == 1)
    count = SelectorWidth(chosen, name="count")
    model = lower(Program("p", "none", "", count, ("a", "b"), 3)).model
    found = model.solve(model.indices([["a", "b", "b"]]))["count"]
    assert found.tolist() == [[0, NOTHING, 0]]


@pytest.mark.parametrize("name", ["sort", "mean", "opener", "second-largest"])
def test_the_record_holds_the_whole_truth(name: str, sorting: CircuitOrganism) -> None:
    import json

    from tests.eval.conftest import circuit

    truth = sorting.truth() if name == "sort" else circuit(name).truth()
    read = CircuitTruth.from_record(json.loads(json.dumps(truth.record())))
    assert read.nodes == truth.nodes
    assert read.unused == truth.unused
    assert read.edges == truth.edges
    inputs = truth.model.inputs(below=0, otherwise=50, random=np.random.default_rng(0))
    first, second = truth.model.solve(inputs), read.model.solve(inputs)
    assert all((first[variable] == second[variable]).all() for variable in first)
    assert read.model == truth.model


def test_edges_and_roles(sorting: CircuitOrganism) -> None:
    truth = sorting.truth()
    edges = {(edge.source, edge.target, edge.role) for edge in truth.edges}
    assert ("place", "sorted", "key") in edges
    assert ("indices", "sorted", "query") in edges
    assert ("tokens", "sorted", "value") in edges
    assert ("sorted", "logits", "output") in edges
    roles = {node.name: node.role for node in truth.nodes}
    assert roles == {
        "tokens": "token embedding",
        "indices": "position embedding",
        "ahead.share": "counting head",
        "ahead": "table",
        "ties.share": "counting head",
        "ties": "table",
        "place": "table",
        "sorted": "moving head",
    }
    assert truth.values("4 2 2")["sorted"] == (2, 2, 4)
    assert truth.values("4 2 2")["place"] == (2, 0, 1)
