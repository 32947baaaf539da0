"""Programs, roles and files about networks whose truth is known by construction."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from autointerp.circuits import (
    MECHANISMS,
    PROGRAMS,
    TASKS,
    CausalModel,
    Circuit,
    Pair,
    Parts,
    Task,
    Variable,
    check_pairs,
    edge_attribution,
    fitted,
    generator_named,
    iia,
    mib_graph,
    read_mib_graph,
    read_pairs,
    roles,
    top_edges,
    untrained_twin,
)
from autointerp.circuits._mechanisms import signatures
from autointerp.errors import InputError, ProgramError
from autointerp.eval.organisms import CircuitOrganism, make_organism
from autointerp.records import Score, Unscored

_PREVIOUS = """
def before(tokens):
    return tokens[-2]

def answer(before):
    return before
"""


@pytest.fixture(scope="module")
def organism() -> CircuitOrganism:
    """It says at every token which one came before."""
    made = make_organism("compiled/previous", seed=3)
    assert isinstance(made, CircuitOrganism)
    return made


@pytest.fixture(scope="module")
def known(organism: CircuitOrganism) -> Parts:
    return Parts(organism.subject())


@pytest.fixture(scope="module")
def previous(organism: CircuitOrganism) -> Task:
    """The last token but one is another in the counterfactual, and with it the answer; or the first, and it stays."""
    ids = {text: number for number, text in enumerate(organism.strings)}
    words = [str(value) for value in organism.circuit.model.vocabulary]
    pairs = []
    for i, first in enumerate(words[:6]):
        second, other = (words[(i + n) % len(words)] for n in (1, 2))
        third = second
        clean = tuple(ids[word] for word in (third, first, second))
        corrupted = tuple(ids[word] for word in (third, other, second))
        bos = organism.subject().bos
        pairs.append(Pair((bos, *clean), (bos, *corrupted), (ids[first],), (ids[other],)))
    return Task("previous", tuple(pairs))


def test_the_true_program_is_confirmed(known: Parts, previous: Task) -> None:
    model = CausalModel(_PREVIOUS, (Variable("before", (), last=True),))
    found = fitted(known, model, previous, {"before": [s.name for s in known.graph.sources if s.kind == "head"]})
    head = found.variables[0].components
    assert len(head) == 1
    result = iia(known, found, previous, controls={"twin": (Parts(untrained_twin(known.subject, seed=0)), found)})
    assert isinstance(result, Score)
    assert result.value == 1
    assert result.control["twin"] < 1


def test_a_wrong_map_is_refuted(known: Parts, previous: Task) -> None:
    """The MLP holds nothing, so the answer stays what it was."""
    model = CausalModel(_PREVIOUS, (Variable("before", ("m0",), last=True),))
    result = iia(known, model, previous)
    assert isinstance(result, Score)
    assert result.value == 0


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1", "line 1 of the causal model is no function"),
        ("def f(other):\n    return 1", "reads 'other'"),
        ("def f(tokens)\n", "no Python"),
        ("def f(tokens):\n    return 1", "the map names 'before'"),
        ("", "is empty"),
    ],
)
def test_programs_that_are_none_say_why(source: str, message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        CausalModel(source, (Variable("before", ()),)).functions()


def test_a_program_that_crashes_is_unscored(known: Parts, previous: Task) -> None:
    model = CausalModel("def before(tokens):\n    return tokens[99]", (Variable("before", ("m0",)),))
    assert isinstance(iia(known, model, previous), Unscored)


def test_a_program_runs_under_force() -> None:
    model = PROGRAMS["induction"]
    values = model.run([["a", "b", "c", "a"]] * 2, [{}, {"induced": "z"}])
    assert [value["answer"] for value in values] == ["b", "z"]
    assert PROGRAMS["brackets"].run([["f", "(", "[", "x", "]"]])[0]["answer"] == ")"


def test_the_signature_of_a_head_that_is_known(known: Parts, previous: Task) -> None:
    """The compiled head attends to the token before and to nothing else."""
    head = next(s.name for s in known.graph.sources if s.kind == "head")
    found = roles(known, previous, [head])
    assert [(role.head, role.mechanism) for role in found] == [(head, "previous token")]
    assert found[0].signature > 0.99
    assert found[0].held == pytest.approx(1, abs=1e-3)
    by_name = {one.name: one for one in MECHANISMS}
    assert float(signatures(known, by_name["duplicate token"])[0].max()) < 0.01


def test_mib_files_come_back(parts: Parts, task: Task) -> None:
    """With shared keys and values an edge is written for each head of the group."""
    scores = edge_attribution(parts, task).mean
    circuit = top_edges(parts.graph, scores, 50)
    content = json.loads(json.dumps(mib_graph(circuit, scores, width=parts.subject.width)))
    heads, layers = 4, 3
    before = [1 + layer * (heads + 1) for layer in range(layers)]
    assert len(content["edges"]) == sum(3 * heads * n + (n + heads) for n in before) + 1 + layers * (heads + 1)
    assert content["cfg"] == {"n_layers": 3, "n_heads": 4, "parallel_attn_mlp": False, "d_model": 32}
    assert content["edges"]["input->a0.h0<k>"] == content["edges"]["input->a0.h1<k>"]
    back, read = read_mib_graph(parts.graph, content)
    assert torch.equal(back.edges, circuit.edges)
    torch.testing.assert_close(read, scores * parts.graph.allowed)
    content["cfg"]["n_layers"] = 12
    with pytest.raises(InputError, match="a graph of another model: its n_layers is 12"):
        read_mib_graph(parts.graph, content)
    with pytest.raises(InputError, match="no `edges`"):
        read_mib_graph(parts.graph, [])
    assert len(Circuit.whole(parts.graph)) == parts.graph.size


def test_pairs_are_read_and_refused(parts: Parts, tmp_path: Path) -> None:
    subject, file = parts.subject, tmp_path / "pairs.jsonl"
    good = {"clean": [0, 5, 6], "corrupted": [0, 7, 6], "right": [3], "wrong": [4]}
    file.write_text(json.dumps(good) + "\n\n", encoding="utf-8")
    assert read_pairs(subject, file) == [Pair((0, 5, 6), (0, 7, 6), (3,), (4,))]
    for change, message in (
        ({"corrupted": [0, 7]}, "clean has 3 tokens and corrupted 2"),
        ({"corrupted": [0, 5, 6]}, "are the same"),
        ({"wrong": [3]}, "have to be answers that differ"),
        ({"right": [999]}, "id 999 is outside the vocabulary"),
    ):
        file.write_text(json.dumps(good | change), encoding="utf-8")
        with pytest.raises(InputError, match=message):
            read_pairs(subject, file)
    file.write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="line 1: a pair has the fields"):
        read_pairs(subject, file)
    with pytest.raises(InputError, match="without pairs"):
        check_pairs(subject, [])


def test_every_kind_of_task_is_there_and_unknown_ones_are_named() -> None:
    assert list(TASKS) == [
        "induction", "brackets", "names", "indentation", "quoting", "objects", "greater", "docstrings",
    ]  # fmt: skip
    with pytest.raises(InputError, match="no task 'no': there are induction"):
        generator_named("no")


def test_tasks_are_aligned_under_a_small_tokenizer(parts: Parts) -> None:
    made = TASKS["induction"].make(parts.subject, 6, seed=1)
    assert made.pairs == TASKS["induction"].make(parts.subject, 6, seed=1).pairs
    check_pairs(parts.subject, made.pairs)
    assert len({len(pair.clean) for pair in made.pairs}) == 1
