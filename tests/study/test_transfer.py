"""A mechanism that is known by construction is found again where it is, and not where it is not."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest

from autointerp.circuits import Pair, Task, untrained_twin
from autointerp.errors import InputError
from autointerp.eval.organisms import CircuitOrganism, make_organism
from autointerp.records import CausalProgram, CircuitRecord, ComponentRole, Cost, MappedVariable, Score
from autointerp.study import read_circuit, transfer_circuit

_PREVIOUS = """
def before(tokens):
    return tokens[-2]

def answer(before):
    return before
"""


@pytest.fixture(scope="module")
def organism() -> CircuitOrganism:
    """It says at every token which one came before."""
    made = make_organism("compiled/previous", seed=5)
    assert isinstance(made, CircuitOrganism)
    return made


@pytest.fixture(scope="module")
def task(organism: CircuitOrganism) -> Task:
    ids = {text: number for number, text in enumerate(organism.strings)}
    words, bos = [str(value) for value in organism.circuit.model.vocabulary], organism.subject().bos
    numbers = [ids[word] for word in words]
    pairs = tuple(
        Pair((bos, last, first, last), (bos, last, other, last), (first,), (other,))
        for first, other in itertools.permutations(numbers, 2)
        for last in numbers
    )
    return Task("previous", tuple(random.Random(0).sample(pairs, len(pairs))))


@pytest.fixture(scope="module")
def record() -> CircuitRecord:
    """A circuit as another model's study might have written it down."""
    role = ComponentRole(
        component="a3.h7",
        mechanism="previous token",
        signature=0.9,
        usual=0.1,
        held=0.9,
        effect=-1.0,
        copying=0.9,
        stands=True,
    )
    return CircuitRecord(
        model="elsewhere",
        fingerprint="0",
        task="previous",
        asks="which token came before",
        metric="logit_difference",
        method="EAP-IG",
        example=("a", "b", "a", "b"),
        pairs=4,
        held_out=4,
        all_edges=10,
        nodes=(),
        edges=(),
        roles=(role,),
        curve=(),
        causal=CausalProgram(
            source=_PREVIOUS, variables=(MappedVariable(name="before", components=("a3.h7",), last=True),)
        ),
        scores=(Score(name="IIA", value=0.9, ci=(0.8, 1.0), n=4),),
        cost=Cost(seconds=1.0, forward_passes=1, tokens=1),
        version="0",
        seed=0,
    )


def test_what_is_there_is_found(record: CircuitRecord, organism: CircuitOrganism, task: Task) -> None:
    found = transfer_circuit(record, organism.subject(), pairs=task)
    assert found.there is True
    assert found.verdict.startswith("the mechanism is there")
    (match,) = found.matches
    assert (match.mechanism, match.components) == ("previous token", ("a3.h7",))
    heads = [role.component for role in match.found]
    assert len(heads) == 1
    assert found.causal is not None
    assert list(found.causal.variables[0].components) == heads
    assert isinstance(found.iia, Score)
    assert found.iia.value == 1
    assert found.answers == 1
    assert found.own == record.scores[0]


def test_what_is_not_there_is_said_to_be_absent(record: CircuitRecord, organism: CircuitOrganism, task: Task) -> None:
    found = transfer_circuit(record, untrained_twin(organism.subject(), seed=1), pairs=task)
    assert found.there is False
    assert found.verdict.startswith("the mechanism is not there: ")
    assert "no head is of the kind previous token" in found.verdict


def test_a_circuit_without_a_program_is_refused(record: CircuitRecord, organism: CircuitOrganism) -> None:
    bare = record.model_copy(update={"causal": None})
    with pytest.raises(InputError, match="no causal program"):
        transfer_circuit(bare, organism.subject())


def test_records_are_read_and_refused(record: CircuitRecord, tmp_path: Path) -> None:
    file = tmp_path / "circuit.json"
    with pytest.raises(InputError, match="cannot be read"):
        read_circuit(file)
    file.write_text(record.model_dump_json(), encoding="utf-8")
    assert read_circuit(file) == record
    file.write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="no record of a circuit"):
        read_circuit(file)
