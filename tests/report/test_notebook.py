"""The notebook on the page, from a ledger made by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from autointerp.records import (
    Conclusion,
    Hypothesis,
    HypothesisKind,
    Judgement,
    Ledger,
    Outcome,
    Probe,
    Program,
    Purpose,
    Registered,
    Ruling,
    RunRecord,
    TextExperiment,
)
from autointerp.report import page
from tests.report.parsed import parse

START = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)


def later(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def hypothesis(id_: str, fires_on: str, parent: str | None = None) -> Hypothesis:
    program = Program(source="def predict(tokens):\n    return [0.0 for t in tokens]\n")
    return Hypothesis(
        id=id_,
        at=START,
        round=0,
        kind=HypothesisKind.INPUT,
        fires_on=fires_on,
        program=program,
        confidence=0.5,
        parent=parent,
    )


@pytest.fixture
def ledger() -> Ledger:
    probe = Probe(tokens=("a", "\n</script><b>"), token_ids=(1, 2), measured="last", made="by <i>hand</i>")
    experiment = TextExperiment(
        id="e1", at=later(1), round=0, purpose=Purpose.SEPARATE, question="Which?", probes=(probe,)
    )
    said = [("h1", "fires"), ("h2", "silent")]
    return Ledger(
        strategy="investigate",
        scientist="rules",
        hypotheses=(hypothesis("h1", "on `a`"), hypothesis("h3", "better", "h1"), hypothesis("h2", "on b")),
        experiments=(experiment,),
        predictions=tuple(
            Registered(experiment="e1", hypothesis=who, at=later(2), sentence=f"{what}!", expects=(what,))  # type: ignore[arg-type]
            for who, what in said
        ),
        outcomes=(Outcome(experiment="e1", at=later(3), sentence="seen", values=(2.5,)),),
        judgements=(
            Judgement(
                experiment="e1",
                hypothesis="h2",
                at=later(4),
                ruling=Ruling.REFUTES,
                right=0,
                said=1,
                sentence="h1 was right",
            ),
        ),
        conclusion=Conclusion(at=later(5), hypothesis="h3", because="the rounds are used up"),
    )


def test_a_record_without_a_ledger_has_no_notebook(rich_record: RunRecord) -> None:
    assert not parse(page(rich_record)).all("section", aria_labelledby="notebook")


def test_it_shows_who_said_what_when_and_what_came_of_it(rich_record: RunRecord, ledger: Ledger) -> None:
    html = parse(page(rich_record.model_copy(update={"ledger": ledger})))
    section = html.one("section", aria_labelledby="notebook")
    text = section.text()
    states = [
        (node.attributes["data-state"], node.attributes["style"])
        for node in section.all("li")
        if node.has("data-state")
    ]
    # The revision stands below what it revises.
    assert states == [("alive", "--depth:0"), ("handed in", "--depth:1"), ("refuted", "--depth:0")]
    assert "refuted by e1: h1 was right" in text
    for time in ("03:04:07.678", "03:04:08.678", "03:04:10.678"):
        assert time in text
    assert "the rounds are used up" in text
    assert "h1 fires, h2 silent" in text
    assert not section.all("script")
    assert not section.all("i")


def test_a_prediction_may_not_be_younger_than_its_outcome(ledger: Ledger) -> None:
    late = ledger.predictions[0].model_copy(update={"at": later(3.5)})
    content = {**ledger.model_dump(), "predictions": [late.model_dump()]}
    with pytest.raises(ValidationError, match="the prediction of h1 about e1 is younger than its outcome"):
        Ledger.model_validate(content)


def test_a_ledger_survives_json(ledger: Ledger) -> None:
    assert Ledger.model_validate_json(ledger.model_dump_json()) == ledger


def test_who_was_refuted_by_what(ledger: Ledger) -> None:
    assert {id_: judgement.experiment for id_, judgement in ledger.refuted().items()} == {"h2": "e1"}
