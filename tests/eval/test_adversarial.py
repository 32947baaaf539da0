"""Circuits that mislead: decoys, backups, redundant steps, dormant paths, two mechanisms of one behaviour."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from autointerp.errors import OrganismError
from autointerp.eval import make_organism
from autointerp.eval.organisms import Organism, Truth
from autointerp.eval.organisms.adversarial import AdversarialOrganism, AdversarialTruth
from autointerp.eval.organisms.programs import LIBRARY
from autointerp.eval.organisms.rasp import SILENT, Forced, interpret, lower
from tests.eval.networks import BOS, PAD, SPECIALS, patched


def made(name: str, seed: int = 7, **knobs: str) -> AdversarialOrganism:
    organism = make_organism(f"adversarial/{name}", seed=seed, **knobs)
    assert isinstance(organism, AdversarialOrganism)
    return organism


@pytest.fixture(scope="module")
def backup() -> AdversarialOrganism:
    return made("backup", program="maximum")


@pytest.fixture(scope="module")
def redundant() -> AdversarialOrganism:
    return made("redundant", program="maximum")


def ids_of(organism: AdversarialOrganism, texts: list[str]) -> Tensor:
    rows = [[BOS, *(organism.strings.index(word, SPECIALS) for word in text.split())] for text in texts]
    longest = max(map(len, rows))
    return torch.tensor([row + [PAD] * (longest - len(row)) for row in rows])


def silenced(organism: AdversarialOrganism, names: list[str], texts: list[str]) -> list[str]:
    """The answers with the components of these variables set to zero by a plain hook, a text each."""
    ids = ids_of(organism, texts)
    (site,) = {organism.circuit.component(name).site for name in names}
    own = [i for name in names for i in organism.circuit.component(name).coordinates]

    def zero(values: Tensor) -> Tensor:
        values = values.clone()
        values[..., own] = 0
        return values

    logits = patched(organism.module, site.layer, "attention" if site.kind == "head_out" else "mlp", zero, ids)
    best = logits[:, :, SPECIALS:].argmax(-1) + SPECIALS
    return [
        " ".join(organism.strings[i] for i in row[1 : 1 + len(text.split())])
        for row, text in zip(best.tolist(), texts, strict=True)
    ]


def right(program: str, texts: list[str]) -> list[str]:
    """What the program of the library answers, by the interpreter."""
    library = LIBRARY[program].build()
    known = {str(value): value for value in library.vocabulary}
    return [" ".join(map(str, interpret(library, [known[word] for word in text.split()]))) for text in texts]


@pytest.mark.parametrize("name", ["decoy", "backup", "redundant", "dormant", "maximum-b", "two-back-a", "majority-b"])
def test_the_truth_of_each_holds(name: str) -> None:
    organism = made(name, **({"program": "two-back"} if name in ("decoy", "backup", "redundant") else {}))
    assert isinstance(organism, Organism)
    assert isinstance(organism.truth(), Truth)
    assert [(f.name, f.value) for f in organism.check(count=80) if not f.holds] == []


def test_a_backup_takes_over_when_the_main_part_is_silenced(backup: AdversarialOrganism) -> None:
    texts = backup.sample(60, seed=0)
    ((standby, main),) = backup.truth().backups.items()
    assert silenced(backup, [standby], texts) == right("maximum", texts)
    assert silenced(backup, [main], texts) == right("maximum", texts)
    assert silenced(backup, [main.removesuffix(".main")], texts) != right("maximum", texts)
    # The truth says the same without the network.
    model = backup.circuit.model
    inputs = model.indices([backup.circuit.read(text) for text in texts])
    forced = Forced(inputs >= 0, np.full_like(inputs, SILENT))
    clean, quiet = model.solve(inputs), model.solve(inputs, {main: forced})
    assert (clean[standby] == -1).all()
    assert (quiet[standby][inputs >= 0] >= 0).all()
    assert (quiet[model.output] == clean[model.output]).all()


def test_any_two_of_three_copies_are_enough(redundant: AdversarialOrganism) -> None:
    texts = redundant.sample(60, seed=0)
    truth = redundant.truth()
    assert len(truth.circuits) == 3
    everything = set.union(*(set(circuit.variables) for circuit in truth.circuits))
    shared = set.intersection(*(set(circuit.variables) for circuit in truth.circuits))
    copies = sorted(name for name in everything - shared if ".share." not in name)
    voters = [
        n for n in copies if any(n in [p for p, _ in v.parents] and v.name in shared for v in truth.model.variables)
    ]
    assert len(voters) == 3
    wanted = right("maximum", texts)
    for name in voters:
        assert silenced(redundant, [name], texts) == wanted
    assert silenced(redundant, voters[:2], texts) != wanted


def test_whoever_finds_one_of_the_circuits_is_right(redundant: AdversarialOrganism) -> None:
    truth = redundant.truth()
    for circuit in truth.circuits:
        assert truth.valid(circuit.variables)
        assert truth.closest(circuit.variables) == circuit
        assert not truth.valid(circuit.variables[1:], "zero")
    with pytest.raises(OrganismError, match="no ablation 'mean': there are resample and zero"):
        truth.valid((), "mean")


def test_decoys_are_read_by_nothing_and_hold_what_a_part_holds() -> None:
    organism = made("decoy", program="sort")
    truth = organism.truth()
    assert truth.decoys
    assert not [
        v
        for v in truth.model.variables
        for parent, _ in v.parents
        if parent in truth.decoys and v.name not in truth.decoys
    ]
    values = truth.values(organism.sample(1, seed=0)[0])
    assert all(values[name] == values[like] for name, like in truth.decoys.items())
    texts = organism.sample(60, seed=0)
    for name in truth.decoys:
        assert silenced(organism, [name], texts) == right("sort", texts)
    for like in truth.decoys.values():
        assert silenced(organism, [like], texts) != right("sort", texts)


def test_a_dormant_path_wakes_with_its_key() -> None:
    organism = made("dormant")
    (key,) = organism.keys
    assert all(str(key) not in text.split() for text in organism.sample(100, seed=0))
    assert all(str(key) in text.split() for text in organism.waking(100, seed=0))
    truth = organism.truth()
    assert "gate" in truth.dormant
    assert truth.circuits[0].ablations == ("resample",)
    with pytest.raises(OrganismError, match="stated under zero ablation"):
        truth.closest((), "zero")


@pytest.mark.parametrize("name", ["maximum", "two-back", "majority"])
def test_both_of_a_pair_answer_alike_by_other_means(name: str) -> None:
    first, second = made(f"{name}-a"), made(f"{name}-b")
    model, other = first.circuit.model, second.circuit.model
    assert model.vocabulary == other.vocabulary
    inputs = model.inputs(below=4000, otherwise=1000, random=np.random.default_rng(0))
    assert first.answers(inputs) == second.answers(inputs)
    kinds = [sorted(type(v).__name__ + str(v.parents) for v in m.variables) for m in (model, other)]
    assert kinds[0] != kinds[1]
    assert first.name != second.name


@pytest.mark.parametrize("name", ["decoy", "backup", "redundant", "dormant", "two-back-a"])
def test_the_same_seed_writes_the_same_bytes_and_the_truth_reads_back(name: str, tmp_path: Path) -> None:
    first, again = made(name).save(tmp_path / "1"), made(name).save(tmp_path / "2")
    for one, other in ((first.subject, again.subject), (first.answer, again.answer)):
        assert {p.name: p.read_bytes() for p in one.iterdir()} == {p.name: p.read_bytes() for p in other.iterdir()}
    record = json.loads((first.answer / "truth.json").read_text())
    assert AdversarialTruth.from_record(record) == made(name).truth()
    visible = b"".join(path.read_bytes() for path in first.subject.iterdir()).lower()
    assert [word for word in (b"decoy", b"backup", b"standby", b"dormant", b"adversarial") if word in visible] == []


@pytest.mark.parametrize(
    ("name", "knobs", "words"),
    [
        ("trap", {}, "no adversarial circuit 'trap': there are decoy, backup"),
        ("decoy", {"program": "sorting"}, "no program 'sorting': there are"),
        ("dormant", {"program": "sort"}, "dormant has programs of its own"),
    ],
)
def test_what_cannot_be_made(name: str, knobs: dict[str, str], words: str) -> None:
    with pytest.raises(OrganismError, match=words):
        made(name, **knobs)


def test_a_rewritten_model_answers_as_the_program_on_every_input(redundant: AdversarialOrganism) -> None:
    model = redundant.circuit.model
    inputs = model.inputs(below=2000, otherwise=500, random=np.random.default_rng(0))
    plain = lower(LIBRARY["maximum"].build()).model
    assert (model.solve(inputs)[model.output] == plain.solve(inputs)[plain.output]).all()
