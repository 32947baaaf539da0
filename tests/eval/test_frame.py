"""What all organisms share: names that tell nothing, files that are the same every time, two kinds of texts."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch

from autointerp.errors import OrganismError, OutputError
from autointerp.eval import list_organisms, make_organism
from autointerp.eval.organisms import CircuitOrganism, Organism, Truth, is_fresh, kinds, opaque_name
from autointerp.models import Subject
from tests.eval.conftest import circuit


def digest(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_every_kind_names_and_describes_its_organisms() -> None:
    listed = list_organisms()
    assert "compiled/histogram" in listed
    assert "compiled/random" in listed
    assert all("\n" not in line and line for line in listed.values())
    assert all(kind.names() for kind in kinds().values())


def test_an_organism_fulfils_the_frame(sorting: CircuitOrganism) -> None:
    assert isinstance(sorting, Organism)
    assert isinstance(sorting.truth(), Truth)
    card = sorting.card.markdown()
    assert "# sort" in card
    assert "`place`" in card


@pytest.mark.parametrize("level", [0, 1])
def test_the_same_seed_writes_the_same_bytes(level: int, tmp_path: Path) -> None:
    first, again, other = (
        digest_of(circuit("sort", seed, level=level, length=4), tmp_path / str(number))
        for number, seed in enumerate((7, 7, 8))
    )
    assert first == again
    assert set(first).isdisjoint(other)


def digest_of(organism: CircuitOrganism, folder: Path) -> dict[str, str]:
    organism.save(folder)
    return digest(folder)


def test_what_an_investigator_sees_tells_nothing(tmp_path: Path) -> None:
    organism = circuit("opener")
    saved = organism.save(tmp_path)
    assert saved.subject.parent != saved.answer.parent
    assert saved.subject not in saved.answer.parents
    visible = [str(saved.subject.relative_to(tmp_path))]
    for path in saved.subject.iterdir():
        visible += [path.name, path.read_bytes().decode("latin-1").lower()]
    words = {"opener", "bracket", "rasp", "organism", "compiled", "depth", "matching", "truth"}
    assert [word for word in words for text in visible if word in text] == []
    truth = json.loads((saved.answer / "truth.json").read_text())
    assert truth["name"] == organism.name == saved.subject.name
    assert "opener" in (saved.answer / "card.md").read_text()


def test_a_saved_network_is_an_ordinary_subject(sorting: CircuitOrganism, tmp_path: Path) -> None:
    subject = Subject.load(str(sorting.save(tmp_path).subject))
    ids = torch.tensor([[subject.bos, *subject.encode("4 2 3")]])
    logits = subject.run(ids, logits=True).logits
    assert logits is not None
    assert [subject.strings[i].strip() for i in logits[0, 1:].argmax(-1)] == ["2", "3", "4"]
    assert not subject.causal
    assert subject.context == 5
    assert circuit("previous").subject().causal


def test_letters_differ_between_seeds_and_numbers_do_not() -> None:
    letters = {tuple(circuit("histogram", seed).circuit.model.vocabulary) for seed in range(4)}
    assert len(letters) == 4
    assert circuit("sort", 1).circuit.model.vocabulary == circuit("sort", 2).circuit.model.vocabulary == (1, 2, 3, 4)


def test_no_text_is_both_fresh_and_not(sorting: CircuitOrganism) -> None:
    fresh = {text for seed in range(3) for text in sorting.sample(200, seed=seed, fresh=True)}
    others = {text for seed in range(3) for text in sorting.sample(200, seed=seed)}
    assert fresh.isdisjoint(others)
    assert all(map(is_fresh, fresh))
    assert sorting.sample(50, seed=1) == sorting.sample(50, seed=1) != sorting.sample(50, seed=2)
    words = {word for text in fresh for word in text.split()}
    assert words == {"1", "2", "3", "4"}
    assert {len(text.split()) for text in fresh} == {1, 2, 3, 4}


@pytest.mark.parametrize("seed", range(4))
def test_too_few_inputs_to_sample_from(seed: int) -> None:
    small = circuit("parity", seed, length=1)
    # Two texts in all: where both are on one side of the split, nothing is on the other.
    for fresh in {False, True} - {is_fresh(str(value)) for value in small.circuit.model.vocabulary}:
        with pytest.raises(OrganismError, match="too few inputs"):
            small.sample(5, seed=0, fresh=fresh)


def test_names_are_opaque_and_stable() -> None:
    assert opaque_name("kind", 7) == opaque_name("kind", 7) != opaque_name("kind", 8)
    assert circuit("sort", 3, length=4).name == circuit("sort", 3, length=4).name
    assert len({circuit("sort", 3, length=4).name, circuit("sort", 4, length=4).name, circuit("rank", 3).name}) == 3


@pytest.mark.parametrize(
    ("name", "knobs", "words"),
    [
        ("sort", {}, ["no organism 'sort'", "KIND/NAME", "compiled"]),
        ("compiled/sorting", {}, ["no program 'sorting'", "histogram"]),
        (
            "compiled/sort",
            {"noise": 1, "level": "high"},
            ["no knob 'noise'", "level, length", "level is 'high' and not a int"],
        ),
        ("compiled/sort", {"level": 3, "length": 0}, ["level is 3", "length is 0", "from 1 to 64"]),
        ("compiled/sort", {"length": 40}, ["neurons in a layer", "are allowed"]),
    ],
)
def test_what_cannot_be_made(name: str, knobs: dict, words: list[str]) -> None:
    with pytest.raises(OrganismError) as error:
        make_organism(name, seed=0, **knobs)
    assert [word for word in words if word not in str(error.value)] == []
    assert "\n" not in str(error.value)


def test_a_folder_that_cannot_be_written(sorting: CircuitOrganism, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        sorting.save(tmp_path / "file")


def test_values_outside_the_vocabulary_are_refused(sorting: CircuitOrganism) -> None:
    with pytest.raises(OrganismError, match=r"'5' is not in the vocabulary.*|.*5 tokens are not 1 to 4"):
        sorting.truth().values("1 5 2 2 2")
