"""Finding the component of a variable: held against hooks on the network, and against hand-worked rankings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from autointerp.eval._answers import ComponentsAnswer
from autointerp.eval.organisms.rasp import BOS
from autointerp.eval.tasks._circuits import Circuit
from autointerp.eval.tasks._localise import Localise, LocaliseProblem
from autointerp.eval.tasks._ranking import area, average_precision, first_is_right
from autointerp.models import Subject
from tests.eval.tasks.validity import graded_exactly, tells_nothing, the_same_again


@pytest.fixture(scope="module")
def problems() -> list[LocaliseProblem]:
    more = [Circuit.make(program, 2, 0) for program in ("sort", "mode")]
    return [*Localise().problems(3, 4), *(LocaliseProblem(c, name) for c in more for name in c.varying())]


def test_truth_and_chance(problems: list[LocaliseProblem]) -> None:
    graded_exactly(Localise(), problems)


def test_the_same_seed_asks_the_same() -> None:
    the_same_again(Localise(), 5, 2)


def test_the_kit_is_enough(problems: list[LocaliseProblem], tmp_path: Path) -> None:
    """The values in the kit can be told from what the right component holds: equal outputs never belong to two values."""
    problem = problems[0]
    question = tells_nothing(Localise(), problem, tmp_path)
    rows = [json.loads(line) for line in (tmp_path / question.given["variable"]).read_text().splitlines()]
    subject = Subject.load(str(tmp_path / question.model))
    assert sorted(question.given["components"]) == sorted(problem.circuit.components)
    module = problem.circuit.organism.module
    (name,) = sorted(problem.truth().components)[:1]
    layer, _, head = name[1:].partition(".h")
    block = module.model.layers[int(layer)]
    held: list[tuple[torch.Tensor, str]] = []
    inside = block.attention.o_proj if head else block.mlp.down_proj

    def keep(_: object, inputs: tuple[torch.Tensor, ...]) -> None:
        seen.append(inputs[0])

    hook = inside.register_forward_pre_hook(keep)
    for row in rows[:40]:
        seen: list[torch.Tensor] = []
        module(input_ids=torch.tensor([[BOS, *subject.encode(row["text"])]]))
        width = module.config.head_dim
        values = seen[0][0, 1:]
        values = values[:, int(head) * width : (int(head) + 1) * width] if head else values
        held += list(zip(values, row["values"], strict=True))
    hook.remove()
    for first, one in held:
        for second, other in held:
            if one != other:
                assert (first - second).abs().max() > 1e-2


def test_rankings_by_hand() -> None:
    names = ["a", "b", "c", "d"]
    assert average_precision({"a": 0.9, "b": 0.5}, {"b"}, names) == pytest.approx(1 / 2)
    assert average_precision({"a": 0.9, "b": 0.5, "c": 0.7}, {"a", "b"}, names) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(dict.fromkeys(names, 1.0), {"b"}, names) == pytest.approx(1 / 4)
    assert average_precision({}, {"b"}, names) == 0
    assert first_is_right({"b": 0.1}, {"b"}, names)
    assert not first_is_right({"a": 0.1, "b": 0.1}, {"b"}, names)
    assert not first_is_right({}, {"b"}, names)
    assert area({"a": -1.0, "b": float("inf"), "c": float("nan")}, {"b"}, names) == 1
    assert area({}, {"b"}, names) == 0.5


def test_rankings_as_another_library_has_them() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(0)
    names = [str(number) for number in range(12)]
    for _ in range(50):
        given = {name: float(random.integers(1, 6)) / 5 for name in names}
        right = {str(number) for number in random.choice(12, size=int(random.integers(1, 8)), replace=False)}
        true, scores = [name in right for name in names], list(given.values())
        assert average_precision(given, right, names) == pytest.approx(metrics.average_precision_score(true, scores))
        assert area(given, right, names) == pytest.approx(metrics.roc_auc_score(true, scores))


def test_what_is_no_component_is_passed_over(problems: list[LocaliseProblem]) -> None:
    problem = problems[0]
    right = dict(problem.truth().components) | {"a9.h9": 1.0}
    assert problem.grade(ComponentsAnswer(components=right)).score == 1
    assert problem.grade(ComponentsAnswer(components={"nothing": 1.0})).score == 0
    everything = dict.fromkeys(problem.circuit.components, 1.0)
    assert not problem.grade(ComponentsAnswer(components=everything)).success
