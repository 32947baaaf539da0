"""Judged scores with a judge whose every answer is known."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autointerp.llm import Request
from autointerp.models import Subject
from autointerp.records import Explanation, Score, Unscored
from autointerp.scoring import Controls, Exam, Judge, Judges, grade
from autointerp.testing import ScriptedLLM, tiny_encoder
from tests.scoring.made import explanation_of

Answering = Callable[[str, Request[Any]], list[Any]]
_TEXT = re.compile(r"Text \d+:\n```\n(.*?)\n```\n", re.DOTALL)
ALL_JUDGED = (
    *("clarity", "detection", "faithfulness", "fuzzing", "generation", "output_choice", "purity", "responsiveness"),
    "simulation_by_llm",
)


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


def answering(answer: Answering, runner: asyncio.Runner, field: str = "numbers") -> Judges:
    """A judge and simulator that answers with what a function makes of the question."""

    def say(request: Request[Any]) -> str:
        return json.dumps({field: answer(request.messages[-1].text, request)})

    judge = Judge(ScriptedLLM(say), runner)
    return Judges(judge=judge, simulator=judge)


def flipped(request: Request[Any]) -> bool:
    return "0 means that the text certainly fits" in request.messages[0].text or (
        "0 means that the marked tokens are certainly those" in request.messages[0].text
    )


def knowing(true: set[str]) -> Answering:
    """Sure of the texts that it knows, and sure of the others that they are not."""

    def answer(asked: str, request: Request[Any]) -> list[int]:
        found = [text in true for text in _TEXT.findall(asked)]
        assert found, "the question shows no text"
        return [100 if yes != flipped(request) else 0 for yes in found]

    return answer


def said(exam: Exam, controls: Controls, name: str, judges: Judges, explanation: Explanation | None = None) -> Any:
    (graded,) = grade(explanation or explained(), exam, controls, metrics=[name], judges=judges)
    assert graded.result.name == name
    return graded.result


def explained() -> Explanation:
    return explanation_of(None).model_copy(update={"fires_on": "one token", "promotes": "another"})


@pytest.mark.parametrize("name", ALL_JUDGED)
def test_without_a_judge_there_is_no_score(exam: Exam, controls: Controls, name: str) -> None:
    result = said(exam, controls, name, Judges())
    assert isinstance(result, Unscored)
    assert "--llm" in result.reason


def test_a_judge_that_knows_is_right(exam: Exam, controls: Controls, runner: asyncio.Runner) -> None:
    texts = {exam.text(i) for i in range(exam.active)}
    score = said(exam, controls, "detection", answering(knowing(texts), runner))
    assert isinstance(score, Score)
    assert (score.value, score.also) == (1.0, {"auroc": 1.0, "tpr": 1.0, "tnr": 1.0})
    assert score.n == 2 * exam.active


def test_a_judge_that_knows_half_of_them_is_right_about_the_rest(
    exam: Exam, controls: Controls, runner: asyncio.Runner
) -> None:
    texts = {exam.text(i) for i in range(0, exam.active, 2)}
    score = said(exam, controls, "detection", answering(knowing(texts), runner))
    assert score.value == pytest.approx(0.75)


@pytest.mark.parametrize("name", ["detection", "fuzzing"])
@pytest.mark.parametrize("level", [0, 50, 70, 100])
def test_a_judge_that_always_says_the_same_scores_a_half(
    exam: Exam, controls: Controls, runner: asyncio.Runner, name: str, level: int
) -> None:
    score = said(exam, controls, name, answering(lambda asked, _: [level] * len(_TEXT.findall(asked)), runner))
    assert isinstance(score, Score)
    assert score.value == 0.5


def test_fuzzing_marks_the_tokens_that_fire(exam: Exam, controls: Controls, runner: asyncio.Runner) -> None:
    tokens = {exam.strings[i][int(exam.activations[i, 1:].argmax())] for i in range(exam.active)}
    assert len(tokens) == 1  # the feature is one of a single token
    (token,) = tokens

    def answer(asked: str, request: Request[Any]) -> list[int]:
        marks = [re.findall(r"<<(.*?)>>", text, re.DOTALL) for text in _TEXT.findall(asked)]
        right = [bool(found) and all(mark.replace(token, "") == "" for mark in found) for found in marks]
        return [100 if yes != flipped(request) else 0 for yes in right]

    score = said(exam, controls, "fuzzing", answering(answer, runner))
    assert score.value == 1.0


@pytest.mark.parametrize(
    "answer",
    [
        lambda asked, _: [100] * (len(_TEXT.findall(asked)) + 1),
        lambda asked, _: [101] * len(_TEXT.findall(asked)),
        lambda asked, _: [-1] * len(_TEXT.findall(asked)),
        lambda asked, _: ["sure"] * len(_TEXT.findall(asked)),
        lambda asked, _: [],
    ],
)
def test_an_answer_that_does_not_fit_is_no_score(
    exam: Exam, controls: Controls, runner: asyncio.Runner, answer: Answering
) -> None:
    result = said(exam, controls, "detection", answering(answer, runner))
    assert isinstance(result, Unscored)
    assert result.reason.startswith("the language model failed: ")
    assert "\n" not in result.reason


def test_an_explanation_without_words_is_no_score(exam: Exam, controls: Controls, runner: asyncio.Runner) -> None:
    empty = explained().model_copy(update={"fires_on": " ", "summary": "-"})
    result = said(exam, controls, "detection", answering(knowing(set()), runner), empty)
    assert result == Unscored(name="detection", reason="the explanation says nothing in words")


def test_a_simulator_that_knows_the_truth_scores_one(exam: Exam, controls: Controls, runner: asyncio.Runner) -> None:
    texts = {strings: i for i, strings in enumerate(exam.strings)}

    def answer(asked: str, request: Request[Any]) -> list[int]:
        tokens = tuple(json.loads(line.split("\t", 1)[1]) for line in asked.splitlines() if re.match(r"\d+\t", line))
        row = exam.activations[texts[tokens], 1 : 1 + len(tokens)]
        return [round(10 * float(a) / float(exam.activations.max())) for a in row]

    judges = answering(answer, runner)
    assert said(exam, controls, "simulation_by_llm", judges).value == pytest.approx(1.0)
    assert said(exam, controls, "prediction", judges).value == pytest.approx(1.0)


def test_purity_and_responsiveness_follow_the_judge(exam: Exam, controls: Controls, runner: asyncio.Runner) -> None:
    judges = answering(knowing({exam.text(i) for i in range(exam.active)}), runner)
    assert said(exam, controls, "purity", judges).value == 1.0
    assert said(exam, controls, "responsiveness", judges).value == 1.0
    silent = answering(knowing(set()), runner)
    assert isinstance(said(exam, controls, "purity", silent), Unscored)


def test_generated_texts_are_run(exam: Exam, controls: Controls, runner: asyncio.Runner) -> None:
    loud = exam.text(0)
    quiet = "?"
    judges = answering(lambda *_: [loud] * 4 + [quiet] * 6, runner, "texts")
    full = replace(exam, matched_natural=np.ones(3, np.float32))
    assert said(full, controls, "generation", judges).value == 0.4
    natural = np.zeros(5, np.float32)
    score = said(replace(full, natural=natural), controls, "clarity", judges)
    # Four of the ten texts lie above all natural ones, six level with them.
    assert score.value == pytest.approx(2 * (0.4 + 0.6 / 2) - 1)


@pytest.mark.parametrize("name", ["output_choice", "faithfulness"])
def test_outputs_are_judged(exam: Exam, controls: Controls, runner: asyncio.Runner, name: str) -> None:
    prompted = replace(controls, prompts=exam.ids[:4, :8])
    if name == "output_choice":
        score = said(exam, prompted, name, answering(lambda *_: [1], runner))
        assert score.control == {"chance": pytest.approx(1 / 3)}
        assert score.value * score.n == pytest.approx(round(score.value * score.n))
    else:
        score = said(exam, prompted, name, answering(knowing(set()), runner))
        assert score.value == 0.0
        assert set(score.also) >= {"share without steering", "share at 0.5 nats"}
    assert isinstance(said(exam, controls, name, answering(lambda *_: [1], runner)), Unscored)


def test_an_embedder_and_a_reader_are_asked(exam: Exam, controls: Controls, subject: Subject, tmp_path: Path) -> None:
    encoder = Subject.load(str(tiny_encoder(tmp_path / "encoder")))
    names = ["embedding", "paulo_intervention", "surprisal"]
    prompted = replace(controls, prompts=exam.ids[:4, :8])
    found = grade(explained(), exam, prompted, metrics=names, judges=Judges(embedder=encoder, reader=subject))
    assert [type(g.result) for g in found] == [Score] * 3
    missing = grade(explained(), exam, prompted, metrics=names)
    assert [type(g.result) for g in missing] == [Unscored] * 3


def test_an_explanation_that_is_an_activating_text_is_nearest_to_itself(
    exam: Exam, controls: Controls, tmp_path: Path
) -> None:
    encoder = Subject.load(str(tiny_encoder(tmp_path / "encoder")))
    from autointerp.scoring._embedding import embed

    vectors = embed(encoder, [exam.text(0), exam.text(0), exam.text(1)])
    assert vectors[0] @ vectors[1] == pytest.approx(1.0)
    assert vectors[0] @ vectors[2] < 0.999
