"""What may go wrong on the way to a score: it ends in a reason, on one line, and never in a number."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from autointerp.llm import Request
from autointerp.records import Program, Score, Unscored
from autointerp.scoring import Controls, Exam, Judge, Judges, content, grade
from autointerp.study import Exams, Laboratory
from autointerp.testing import ScriptedLLM
from tests.scoring.known import SINGLE
from tests.scoring.made import explanation_of
from tests.scoring.test_judged import answering, explained, knowing, said

BY_PROGRAM = ("firing", "prediction", "simulation", "substitution")


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


def replying(text: str, runner: asyncio.Runner) -> Judges:
    judge = Judge(ScriptedLLM(lambda request: text), runner)
    return Judges(judge=judge, simulator=judge)


@pytest.mark.parametrize("name", ["fuzzing", "generation", "clarity", "purity", "responsiveness", "simulation_by_llm"])
@pytest.mark.parametrize(
    "text", ["I would say 7.", '{"numbers": "many", "texts": 3}', '{"numbers": [1], "texts": ["one"]}', "[]", ""]
)
def test_an_answer_that_cannot_be_used_is_no_score(
    exam: Exam, controls: Controls, runner: asyncio.Runner, name: str, text: str
) -> None:
    full = replace(exam, natural=np.ones(3, np.float32), matched_natural=np.ones(3, np.float32))
    result = said(full, controls, name, replying(text, runner))
    assert isinstance(result, Unscored)
    assert result.reason.startswith("the language model failed: ")
    assert "\n" not in result.reason


@pytest.mark.parametrize("wrong", [11, -1, 3.5, "7", None, True])
def test_a_level_out_of_range_is_no_score(
    exam: Exam, controls: Controls, runner: asyncio.Runner, wrong: object
) -> None:
    def answer(asked: str, request: Request[Any]) -> list[Any]:
        return [wrong] * sum(line[:1].isdigit() and "\t" in line for line in asked.splitlines())

    assert isinstance(said(exam, controls, "simulation_by_llm", answering(answer, runner)), Unscored)


def test_a_simulator_that_says_the_same_everywhere_is_no_score(
    exam: Exam, controls: Controls, runner: asyncio.Runner
) -> None:
    judges = answering(
        lambda asked, _: [0] * sum(line[:1].isdigit() and "\t" in line for line in asked.splitlines()), runner
    )
    result = said(exam, controls, "simulation_by_llm", judges)
    assert isinstance(result, Unscored)
    assert "same activation everywhere" in result.reason


@pytest.mark.parametrize("name", BY_PROGRAM)
@pytest.mark.parametrize(
    "body",
    ["[1 / 0 for t in tokens]", "[float('nan') for t in tokens]", "[0.0]", "None", "[10.0 ** 300 for t in tokens]"],
)
def test_a_program_that_fails_is_no_score_by_any_measure(exam: Exam, controls: Controls, name: str, body: str) -> None:
    program = Program(source=f"def predict(tokens):\n    return {body}\n")
    (graded,) = grade(explanation_of(program), exam, controls, metrics=[name])
    assert isinstance(graded.result, Unscored)
    assert graded.result.reason.startswith("the program failed: ")


def test_a_program_that_failed_is_not_waited_for_again(exam: Exam, controls: Controls) -> None:
    # Each run that ended at the limit would take its seconds; all four measures report what the first one met.
    program = Program(source="def predict(tokens):\n    return [tokens[len(tokens)] for t in tokens]\n")
    graded = grade(explanation_of(program), exam, controls, metrics=BY_PROGRAM)
    assert len({g.result.reason for g in graded if isinstance(g.result, Unscored)}) == 1
    assert len(graded) == len(BY_PROGRAM)


def test_three_activating_texts_are_too_few(exam: Exam, controls: Controls, program: Program) -> None:
    graded = grade(explanation_of(program), replace(exam, active=3), controls, metrics=BY_PROGRAM)
    assert {g.result.reason for g in graded if isinstance(g.result, Unscored)} == {
        "3 test texts activate the feature; at least 5 are needed"
    }


def test_a_text_of_the_train_split_is_refused_wherever_an_exam_is_opened(known: Laboratory) -> None:
    exams = Exams(known)
    train = known.index.train
    assert {content(row[1:n]) for row, n in zip(train.tokens, train.lengths, strict=True)} == exams._seen
    before, _ = exams.open(SINGLE)
    taken = {content(row[1:n]) for row, n in zip(before.ids, before.lengths, strict=True)}
    exams.__dict__["_seen"] = exams._seen | taken
    after, _ = exams.open(SINGLE)
    assert not taken & {content(row[1:n]) for row, n in zip(after.ids, after.lengths, strict=True)}


@pytest.mark.parametrize("words", ["закрывающая скобка", "左括号之后的名字", "الأقواس", "größer als"])
def test_an_explanation_in_another_language_is_judged_as_it_stands(
    exam: Exam, controls: Controls, runner: asyncio.Runner, words: str
) -> None:
    asked: list[str] = []
    knows = knowing({exam.text(i) for i in range(exam.active)})

    def say(request: Request[Any]) -> str:
        asked.append(request.messages[-1].text)
        return json.dumps({"numbers": knows(request.messages[-1].text, request)})

    judges = Judges(judge=Judge(ScriptedLLM(say), runner))
    score = said(exam, controls, "detection", judges, explained().model_copy(update={"fires_on": words}))
    assert isinstance(score, Score)
    assert score.value == 1.0
    assert all(f"Description: {words}\n" in text for text in asked)
