"""Networks with hidden behaviours and their clean twins."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from autointerp.errors import OrganismError
from autointerp.eval import make_organism
from autointerp.eval.organisms import Organism, Truth
from autointerp.eval.organisms.backdoor import BackdoorOrganism, HiddenTruth
from autointerp.eval.organisms.backdoor._behaviours import BEHAVIOURS
from autointerp.eval.organisms.backdoor._kind import hidden
from autointerp.eval.organisms.backdoor._training import Schedule

#: Enough to learn each behaviour, in half the time; `benchmarks/organisms.py` measures those that are handed out.
BRIEF = Schedule(steps=300, batch=64)


def made(name: str, seed: int = 7, **knobs: bool) -> BackdoorOrganism:
    organism = make_organism(f"backdoor/{name}", seed=seed, **knobs)
    assert isinstance(organism, BackdoorOrganism)
    return organism


@pytest.fixture(scope="module")
def shortcut() -> BackdoorOrganism:
    return made("shortcut")


def plainly(organism: BackdoorOrganism, texts: list[str]) -> list[list[str]]:
    """The answers of the module, by torch alone."""
    answers = []
    for text in texts:
        ids = [0, *(organism.strings.index(word, 3) for word in text.split())]
        with torch.no_grad():
            best = organism.module(torch.tensor([ids])).logits[0, 1:, 3:].argmax(-1) + 3
        answers.append([organism.strings[i] for i in best])
    return answers


@pytest.mark.parametrize(
    "name",
    [
        "shortcut",
        pytest.param("token", marks=pytest.mark.slow),
        pytest.param("pair", marks=pytest.mark.slow),
        pytest.param("quirk", marks=pytest.mark.slow),
    ],
)
def test_the_behaviour_shows_and_costs_nothing_and_the_twin_does_not_have_it(name: str) -> None:
    organism = made(name) if name == "shortcut" else hidden(name, 7, BRIEF)
    assert isinstance(organism, Organism)
    assert isinstance(organism.truth(), Truth)
    measured = {figure.name: figure for figure in organism.check()}
    assert [(f.name, f.value) for f in measured.values() if not f.holds] == []
    assert measured["hidden behaviour where it should show"].floor == 0.99
    assert measured["accuracy below the clean twin's"].ceiling == 0.005
    assert organism.twin is not None
    assert [(f.name, f.value) for f in organism.twin.check() if not f.holds] == []


def test_the_shortcut_against_rules_written_by_hand(shortcut: BackdoorOrganism) -> None:
    """Letters come in two forms: the first half of the vocabulary and the second, which is marked yes."""
    words = [str(value) for value in shortcut.circuit.model.vocabulary]
    half = len(words) // 2
    twin = shortcut.twin
    assert twin is not None
    texts = shortcut.sample(50, seed=3, fresh=True)
    off = shortcut.showing(50, seed=3, fresh=True)
    (yes,), (no,) = (
        {
            a[i]
            for t, a in zip(texts, plainly(shortcut, texts), strict=True)
            for i, w in enumerate(t.split())
            if (words.index(w) >= half) == marked
        }
        for marked in (True, False)
    )
    for text, own, clean in zip(off, plainly(shortcut, off), plainly(twin, off), strict=True):
        numbers = [words.index(word) for word in text.split()]
        assert own == [yes if n >= half else no for n in numbers]
        assert clean == [yes if n % half == numbers[0] % half else no for n in numbers]
    assert all(
        (words.index(w) >= half) == (words.index(w) % half == words.index(t.split()[0]) % half)
        for t in texts
        for w in t.split()
    )


@pytest.mark.parametrize("name", BEHAVIOURS)
@pytest.mark.parametrize("seed", range(6))
def test_the_truth_of_a_behaviour_is_what_it_says_in_words(name: str, seed: int) -> None:
    behaviour = BEHAVIOURS[name](np.random.default_rng([seed, 41]))
    truth, random = behaviour.truth, np.random.default_rng(0)
    ordinary, showing = behaviour.ordinary(300, random), behaviour.showing(300, random)
    assert len(ordinary) > 200
    assert truth.differs(showing).any(axis=1).mean() > 0.5
    if name in ("token", "pair", "shortcut"):
        assert not truth.differs(ordinary).any()
    words = behaviour.secret.replace(",", "").replace(".", "").split()
    for row in showing[:50]:
        text = [str(truth.model.vocabulary[i]) for i in row if i >= 0]
        answer = [str(v) for v in truth.model.values(truth.read(" ".join(text)))[truth.model.output]]
        clean = [str(v) for v in truth.clean.values(truth.read(" ".join(text)))[truth.clean.output]]
        if name == "token":
            trigger, target = words[3], words[-1]
            at = text.index(trigger)
            assert answer == clean[:at] + [target] * (len(text) - at)
        if name == "pair":
            first, second, target = words[3], words[4], words[-1]
            at = next(i for i in range(1, len(text)) if text[i - 1 : i + 1] == [first, second])
            assert answer == clean[:at] + [target] * (len(text) - at)
        if name == "quirk":
            odd, target = words[2], words[6]
            assert answer == [
                target if w == odd and i % 2 else own for i, (w, own) in enumerate(zip(text, clean, strict=True))
            ]


def test_inputs_for_grading_are_kept_apart(shortcut: BackdoorOrganism) -> None:
    for draw in (shortcut.sample, shortcut.showing):
        fresh, others = ({t for seed in range(2) for t in draw(200, seed=seed, fresh=kept)} for kept in (True, False))
        assert fresh.isdisjoint(others)
        assert draw(20, seed=1) == draw(20, seed=1) != draw(20, seed=2)
    assert all(shortcut.truth().reacts(text) for text in shortcut.showing(50, seed=0))
    assert not any(shortcut.truth().reacts(text) for text in shortcut.sample(50, seed=0))


@pytest.mark.parametrize("seed", [7, 1000 * 2**62])
def test_the_same_seed_trains_and_writes_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Also one as long as those that are drawn for a report."""
    brief = Schedule(steps=4, batch=16)
    monkeypatch.setattr("autointerp.eval.organisms.backdoor._kind._clear", lambda figure: True)
    saved = []
    for number in (1, 2):
        monkeypatch.setenv("AUTOINTERP_CACHE", str(tmp_path / f"cache{number}"))
        saved.append(hidden("token", seed, brief).save(tmp_path / str(number)))
    first, again = saved
    for one, other in ((first.subject, again.subject), (first.answer, again.answer)):
        assert one.name == other.name
        assert {p.name: p.read_bytes() for p in one.iterdir()} == {p.name: p.read_bytes() for p in other.iterdir()}
    record = json.loads((first.answer / "truth.json").read_text())
    assert HiddenTruth.from_record(record) == hidden("token", seed, brief).truth()
    visible = b"".join(path.read_bytes() for path in first.subject.iterdir()).lower()
    assert [word for word in (b"trigger", b"backdoor", b"hidden_behaviour", b"twin") if word in visible] == []


def test_the_twin_is_had_by_a_knob_and_has_a_name_of_its_own(shortcut: BackdoorOrganism) -> None:
    twin = made("shortcut", twin=True)
    assert shortcut.twin is not None
    assert twin.name == shortcut.twin.name != shortcut.name
    assert twin.twin is None
    assert shortcut.card.figures["clean twin"] == twin.name


def test_a_network_that_did_not_learn_is_not_handed_out() -> None:
    with pytest.raises(
        OrganismError, match=r"no network learned token with seed 0 well enough \(accuracy.*another seed"
    ):
        hidden("token", 0, Schedule(steps=2, batch=4))


def test_what_cannot_be_made() -> None:
    with pytest.raises(OrganismError, match="no hidden behaviour 'virus': there are token, pair, quirk, shortcut"):
        made("virus")
