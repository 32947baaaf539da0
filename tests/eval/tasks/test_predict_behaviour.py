"""Predicting behaviour: held against what the networks themselves answer, and against cases worked by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from autointerp.errors import ProgramError
from autointerp.eval import BehaviourAnswer, Question
from autointerp.eval._surroundings import Sampled, learned, numbers, tree_source
from autointerp.eval.agents import agent_named
from autointerp.eval.organisms.rasp import CausalModel
from autointerp.eval.tasks._circuits import Circuit
from autointerp.eval.tasks._predict_behaviour import INPUTS, BehaviourProblem, PredictBehaviour, answers_of
from autointerp.eval.tasks._sources import source_of
from autointerp.models import Subject
from tests.eval.tasks.validity import graded_exactly, tells_nothing, the_same_again


@pytest.fixture(scope="module")
def problems() -> list[BehaviourProblem]:
    return list(PredictBehaviour().problems(3, 4))


@pytest.fixture(scope="module")
def kit(problems: list[BehaviourProblem], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Question]:
    folder = tmp_path_factory.mktemp("kit")
    question = tells_nothing(PredictBehaviour(), problems[0], folder)
    return folder, question.model_copy(update={"answer": BehaviourAnswer.model_json_schema()})


def test_truth_and_chance(problems: list[BehaviourProblem]) -> None:
    graded_exactly(PredictBehaviour(), problems)


def test_the_same_seed_asks_the_same() -> None:
    the_same_again(PredictBehaviour(), 5, 2)


def test_the_kit_has_what_the_network_answers(kit: tuple[Path, Question]) -> None:
    folder, question = kit
    subject = Subject.load(str(folder / question.model))
    rows = [json.loads(line) for line in (folder / question.given["behaviour"]).read_text().splitlines()]
    for row in rows[:60]:
        logits = subject.run(subject.batch([[subject.bos, *subject.encode(row["text"])]]), logits=True).logits
        assert logits is not None
        assert [subject.strings[i].strip() for i in logits[0, 1:].argmax(-1).tolist()] == row["answers"]
        assert set(row["text"].split()) <= set(question.given["words"])
        assert set(row["answers"]) <= set(question.given["outputs"])


@pytest.mark.parametrize("name", ["median", "mean", "opener", "induction", "sort-by-frequency", "count-bigram"])
def test_a_program_answers_as_its_network(name: str) -> None:
    """Inputs of all lengths: the source that stands for the truth against the compiled network."""
    organism = Circuit.make(name, 4, 0).organism
    subject, texts = organism.subject(), organism.sample(40, seed=8)
    given = answers_of(source_of(organism.circuit.model), [text.split() for text in texts])
    for text, row in zip(texts, given, strict=True):
        logits = subject.run(subject.batch([[subject.bos, *subject.encode(text)]]), logits=True).logits
        assert logits is not None
        said = [subject.strings[i].strip() for i in logits[0, 1:].argmax(-1).tolist()]
        assert [one for one in row if one != "?"] == [s for s, one in zip(said, row, strict=True) if one != "?"]


@pytest.mark.parametrize("seed", range(4))
def test_a_drawn_program_answers_as_its_model(seed: int) -> None:
    model: CausalModel = Circuit.make("random", seed, 0).organism.circuit.model
    tokens = model.inputs(below=0, otherwise=50, random=np.random.default_rng(seed))
    solved = model.solve(tokens)[model.output]
    texts = [[str(model.vocabulary[i]) for i in row if i >= 0] for row in tokens]
    wanted = [
        [str(model[model.output].values[i]) if i >= 0 else "?" for i in row[: len(text)]]
        for row, text in zip(solved, texts, strict=True)
    ]
    assert answers_of(source_of(model), texts) == wanted


def test_the_score_is_what_the_samples_leave_open(problems: list[BehaviourProblem]) -> None:
    """A program that is right on half of the inputs and silent on the others, by hand."""
    problem = problems[0]
    texts = [text.split() for text in problem._fresh]
    assert len({tuple(text) for text in texts}) == INPUTS
    assert not set(problem._fresh) & set(problem.circuit.texts)
    right = answers_of(source_of(problem.circuit.organism.circuit.model), texts)
    table = {" ".join(text): row for text, row in list(zip(texts, right, strict=True))[: INPUTS // 2]}
    source = f"T = {table!r}\ndef answer(tokens):\n    return T.get(' '.join(tokens), ['!'] * len(tokens))\n"
    grade = problem.grade(BehaviourAnswer(source=source))
    share = sum(len(row) for row in table.values()) / sum(map(len, texts))
    assert grade.parts["accuracy"] == pytest.approx(share)
    left = 1 - grade.parts["samples alone"]
    assert grade.score == pytest.approx(max(0.0, (share - 1 + left) / left))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def answer(tokens):\n    return tokens[1:]\n", "answer returned"),
        ("def answer(tokens):\n    return 'abc'\n", "answer returned str"),
        ("def answer(tokens):\n    return [1 / 0 for t in tokens]\n", "ZeroDivisionError"),
        ("def other(tokens):\n    return tokens\n", "answer"),
        ("def answer(tokens):\n    return tokens\n#" + "x" * 200_000, "at most"),
    ],
)
def test_programs_that_fail(problems: list[BehaviourProblem], source: str, message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        answers_of(source, [["a", "b"]])
    if len(source) < 1000:
        grade = problems[0].grade(BehaviourAnswer(source=source))
        assert grade.score == 0
        assert grade.failure is not None


def test_surroundings_by_hand() -> None:
    assert numbers(["a", "b", "a"], 1, ["a", "b"]) == [1, 2, 0, 0, -2, -2, 0, 1, 0, -2, -2, 1, 1, 2, 1]


def test_learning_from_samples() -> None:
    """Whether a token occurred before is learned whole by a forest and by the tree that is handed in as a program."""
    random = np.random.default_rng(0)
    texts = [[str(t) for t in random.choice(["a", "b", "c"], size=6)] for _ in range(150)]
    answers = [["yes" if token in text[:place] else "no" for place, token in enumerate(text)] for text in texts]
    sampled = Sampled(("a", "b", "c"), texts[:100], answers[:100])
    wanted = [one for row in answers[100:] for one in row]
    assert np.mean([a == b for a, b in zip(learned(sampled, texts[100:]), wanted, strict=True)]) > 0.95
    given = answers_of(tree_source(sampled, 10_000), texts[100:])
    assert np.mean([a == b for a, b in zip([one for row in given for one in row], wanted, strict=True)]) > 0.9


@pytest.mark.parametrize(("name", "above"), [("black-box", 0.2), ("random", -1.0)])
def test_agents_answer(kit: tuple[Path, Question], problems: list[BehaviourProblem], name: str, above: float) -> None:
    folder, question = kit
    answer = agent_named(name).answer(folder, question)
    answer.pop("forward_passes", None)
    assert problems[0].grade(BehaviourAnswer(**answer)).score > above
