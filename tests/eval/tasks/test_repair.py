"""Repairs: held against hooks that do the ablation on the network itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from autointerp.eval._answers import Intervention, RepairAnswer
from autointerp.eval.organisms.rasp import BOS
from autointerp.eval.tasks._circuits import components_of
from autointerp.eval.tasks._repair import Repair, RepairProblem
from tests.eval.tasks.validity import graded_exactly, tells_nothing, the_same_again


@pytest.fixture(scope="module")
def problems() -> list[RepairProblem]:
    return list(Repair().problems(1, 4))


def test_truth_and_chance(problems: list[RepairProblem]) -> None:
    graded_exactly(Repair(), problems)
    assert {problem.kind for problem in problems} == {"token", "pair"}


def test_the_same_seed_asks_the_same() -> None:
    the_same_again(Repair(), 5, 2)


def test_the_kit(problems: list[RepairProblem], tmp_path: Path) -> None:
    question = tells_nothing(Repair(), problems[0], tmp_path)
    assert (tmp_path / question.given["triggered"]).is_file()


@pytest.mark.parametrize("kind", ["a", "m"])
def test_an_ablation_as_a_hook_does_it(problems: list[RepairProblem], kind: str) -> None:
    """The mean of one head or MLP over all tokens but BOS, put in its place at all tokens but BOS, one text at a time."""
    problem = next(problem for problem in problems if problem.kind == "token")
    hidden = problem.hidden
    name = next(name for name in components_of(hidden) if name.startswith(kind))
    config, module = hidden.module.config, hidden.module
    ids = {text: number for number, text in enumerate(hidden.strings)}
    block = module.model.layers[0]
    head = int(name.partition(".h")[2] or 0)
    own = slice(head * config.head_dim, (head + 1) * config.head_dim) if kind == "a" else slice(None)
    # What is written by a head goes into the projection behind it; what an MLP writes comes out of it.
    seen: list[torch.Tensor] = []
    mean: list[torch.Tensor] = []

    def touch(values: torch.Tensor) -> torch.Tensor:
        if not mean:
            seen.append(values[0, 1:, own])
            return values
        changed = values.clone()
        changed[:, 1:, own] = mean[0]
        return changed

    def before(_: object, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        return (touch(inputs[0]),)

    def after(_: object, __: object, output: torch.Tensor) -> torch.Tensor:
        return touch(output)

    def run(text: str) -> list[str]:
        logits = module(input_ids=torch.tensor([[BOS, *(ids[word] for word in text.split())]])).logits
        return [hidden.strings[i] for i in (logits[0, 1:, 3:].argmax(-1) + 3).tolist()]

    hooked = block.attention.o_proj.register_forward_pre_hook(before)
    if kind == "m":
        hooked.remove()
        hooked = block.mlp.register_forward_hook(after)
    for text in problem._texts:
        run(text)
    mean.append(torch.cat(seen).mean(dim=0))
    clean = hidden.truth().clean
    right = []
    for text in problem._fresh[0]:
        wanted = clean.values(text.split())[clean.output]
        right += [answer == str(value) for answer, value in zip(run(text), wanted, strict=True)]
    hooked.remove()
    grade = problem.grade(RepairAnswer(edits=(Intervention(component=name),)))
    assert grade.parts["kept"] == pytest.approx(np.mean(right), abs=1e-3)


def test_to_do_nothing_restores_nothing(problems: list[RepairProblem]) -> None:
    for problem in problems:
        grade = problem.grade(RepairAnswer())
        assert grade.parts == {"restored": 0.0, "kept": 1.0, "edits": 0.0}
        assert problem.grade(RepairAnswer(edits=(Intervention(component="a9.h9"),))).score == 0


def test_to_break_everything_is_no_repair(problems: list[RepairProblem]) -> None:
    for problem in problems:
        edits = tuple(Intervention(component=name, ablation="zero") for name in components_of(problem.hidden))
        assert problem.grade(RepairAnswer(edits=edits)).score < 0.3
