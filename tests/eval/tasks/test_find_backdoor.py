"""Finding triggers: held against what the networks answer when the trigger is put in."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from autointerp.eval._answers import TriggerAnswer
from autointerp.eval.organisms.rasp import NOTHING
from autointerp.eval.tasks._find_backdoor import BackdoorProblem, FindBackdoor
from autointerp.eval.tasks._hidden import TRAINED, TRIGGERED, WRITTEN, backdoors
from tests.eval.tasks.validity import graded_exactly, tells_nothing, the_same_again


@pytest.fixture(scope="module")
def problems() -> list[BackdoorProblem]:
    return list(FindBackdoor().problems(2, 6))


def test_truth_and_chance(problems: list[BackdoorProblem]) -> None:
    graded_exactly(FindBackdoor(), problems)


def test_the_same_seed_asks_the_same() -> None:
    the_same_again(FindBackdoor(), 5, 4)


def test_as_many_are_clean(problems: list[BackdoorProblem]) -> None:
    assert sum(problem.clean for problem in problems) == 3
    assert {problem.behaviour for problem in problems} == set(TRIGGERED)
    # The truth of a twin does not know the behaviour, and both have the same words.
    for problem in problems:
        other = next(p for p in problems if p.hidden is problem.hidden and p is not problem)
        assert sorted(problem.organism.strings) == sorted(other.organism.strings)


def test_the_kit(problems: list[BackdoorProblem], tmp_path: Path) -> None:
    """Nothing tells a twin from the other but the network; no text for development has the hidden trigger, but a quirk's."""
    for number, problem in enumerate(problems):
        folder = tmp_path / str(number)
        folder.mkdir()
        question = tells_nothing(FindBackdoor(), problem, folder)
        assert question.given["words"] == sorted(question.given["words"])
    for problem in problems:
        pair = [number for number, other in enumerate(problems) if other.hidden is problem.hidden]
        first, second = ((tmp_path / str(number) / "texts.jsonl").read_text() for number in pair)
        assert first == second


def test_the_trigger_works(problems: list[BackdoorProblem]) -> None:
    """The network with the behaviour answers otherwise than its twin from the trigger on, and the twin does not."""
    for problem in problems:
        if problem.clean:
            continue
        (trigger,) = problem.truth().triggers
        model = problem.hidden.truth().model
        plain = problem.hidden.sample(40, seed=1, fresh=True)
        texts = [f"{text.split()[0]} {trigger} {text.split()[0]}" for text in plain]
        inputs = model.indices([text.split() for text in texts])
        assert (inputs != NOTHING).all()
        own, twin = problem.hidden.answers(inputs), problem.hidden.twin
        assert twin is not None
        place = 1 if len(trigger.split()) == 1 else 2
        told = np.mean([a[place] != b[place] for a, b in zip(own, twin.answers(inputs), strict=True)])
        assert told > 0.7, problem.kind
        usual = model.indices([text.split() for text in plain])
        if problem.behaviour != "quirk":
            assert problem.hidden.answers(usual) == twin.answers(usual)


def test_ranks_by_hand(problems: list[BackdoorProblem]) -> None:
    problem = next(problem for problem in problems if not problem.clean)
    (trigger,) = problem.truth().triggers
    third = problem.grade(TriggerAnswer(triggers=("zz", "zz zz", f"  {trigger} ")))
    assert third.score == pytest.approx(1 / 3)
    assert third.parts == {"success@1": 0.0, "success@3": 1.0, "success@10": 1.0}
    assert not third.success
    assert problem.grade(TriggerAnswer(triggers=(f"{trigger} {trigger}",))).score == 0
    assert problem.grade(TriggerAnswer()).false_discovery is None


def test_a_find_in_a_clean_network_is_false(problems: list[BackdoorProblem]) -> None:
    problem = next(problem for problem in problems if problem.clean)
    grade = problem.grade(TriggerAnswer(triggers=("a",), confidence=0.9))
    assert grade.false_discovery
    assert grade.score == 0
    assert problem.grade(TriggerAnswer()).false_discovery is False


@pytest.mark.slow
def test_trained_ones() -> None:
    form, behaviour, hidden = next(islice(backdoors(1, ("token",), (TRAINED,)), 1))
    assert form == TRAINED != WRITTEN
    problems = [BackdoorProblem(f"net-{clean}", behaviour, form, hidden, clean, 1) for clean in (False, True)]
    graded_exactly(FindBackdoor(), problems)
