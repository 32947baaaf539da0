"""`autointerp circuit` from the command line to the page, on a small model and a file of pairs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from autointerp.cli import main
from autointerp.records import CircuitRecord, CircuitVerdict, Score, Unscored
from autointerp.report import circuit_page
from tests.agents.circuits.brain import answer
from tests.llm.wire import Said, Wire

pytestmark = pytest.mark.slow


def call(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["circuit", *map(str, arguments)])
    return int(stopped.value.code or 0)


def think(body: dict[str, Any]) -> Said:
    told, question, *more = (turn["content"] for turn in body["messages"])
    return Said(answer(told, question, mended=bool(more)))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("pairs") / "made-up.jsonl"
    rows = [{"clean": [0, 5 + i, 6, 9], "corrupted": [0, 40 + i, 6, 9], "right": [3], "wrong": [4]} for i in range(4)]
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def record(pairs: Path, model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> CircuitRecord:
    folder = tmp_path_factory.mktemp("circuit")
    options = (
        "--task",
        pairs,
        "--model",
        model_folder,
        "--out",
        folder,
        "--json",
        folder / "record.json",
        "--edges",
        30,
    )
    assert call(*options, "--quiet") == 0
    assert (folder / "circuit-made-up.html").read_text("utf-8").startswith("<!doctype html>")
    return CircuitRecord.model_validate_json((folder / "record.json").read_text("utf-8"))


def test_the_record_holds_the_circuit_and_its_grades(record: CircuitRecord) -> None:
    assert 0 < len(record.edges) <= 30
    assert {edge.source for edge in record.edges} <= {node.name for node in record.nodes}
    assert record.pairs == record.held_out == 2
    names = [score.name for score in record.scores]
    assert names[0] == "faithfulness"
    assert {"completeness", "minimality", "stability", "CPR", "CMD", "IIA"} <= set(names)
    scores = {score.name: score for score in record.scores}
    assert isinstance(scores["IIA"], Unscored)
    assert "no program is proposed for made-up: the library has those for induction" in scores["IIA"].reason
    faithful = scores["faithfulness"]
    assert isinstance(faithful, Score)
    assert "random circuits" in faithful.control
    assert record.curve[-1].faithfulness == pytest.approx(1, abs=1e-3)


def test_the_page_draws_every_edge_and_asks_for_nothing(record: CircuitRecord) -> None:
    page = circuit_page(record)
    assert page.count('<line class="edge') == len(record.edges)
    assert page.count("<circle") == len(record.nodes) + 1
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href)=", page)


def test_random_weights_have_no_roles_and_the_notebook_says_why(record: CircuitRecord) -> None:
    """The model was never trained, so whatever is proposed has to fall."""
    assert record.ledger is not None
    assert record.conclusion is not None
    assert record.conclusion.verdict in (CircuitVerdict.INSUFFICIENT_EVIDENCE, CircuitVerdict.PARTLY)
    assert record.conclusion.coverage < 0.2
    assert {finding.component for finding in record.findings} == {n.name for n in record.nodes if n.name != "input"}
    assert all(finding.because for finding in record.findings)
    measured = {outcome.experiment: outcome.at for outcome in record.ledger.outcomes}
    assert record.ledger.predictions
    assert all(p.at <= measured[p.experiment] for p in record.ledger.predictions if p.experiment in measured)


def test_the_page_reads_as_a_notebook(record: CircuitRecord) -> None:
    page, ledger = circuit_page(record), record.ledger
    assert ledger is not None
    assert page.count("<tr data-component=") == len(record.findings)
    assert page.count("<tr data-experiment=") == len(ledger.predictions)
    assert page.count("<li data-state=") == len(ledger.hypotheses)
    for hypothesis in ledger.hypotheses:
        assert f">{hypothesis.id}</span>" in page
    for state in ("refuted", "open"):
        assert f'data-state="{state}"' in page


def test_a_language_model_investigates_within_a_budget(
    pairs: Path, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AUTOINTERP_LLM_KEY", "right")
    options = ("--task", pairs, "--model", model_folder, "--out", tmp_path, "--edges", 10, "--rounds", 1)
    json_ = ("--json", tmp_path / "record.json", "--llm-cache", tmp_path / "answers.sqlite", "--budget", "90ktokens")
    with Wire(think, key="right") as wire:
        assert call(*options, *json_, "--llm", wire.address("openai")) == 0
    heard = capsys.readouterr().err
    assert "hypothesis: " in heard
    assert "verdict: " in heard
    record = CircuitRecord.model_validate_json((tmp_path / "record.json").read_text("utf-8"))
    assert record.ledger is not None
    assert (record.ledger.scientist, record.ledger.limits) == ("llm", "90ktokens")
    assert 0 < record.ledger.spent.tokens < 90_000
    assert any(name.startswith("circuit_propose@1#") for name in record.ledger.templates)
    assert any(h.role == "the one before" and h.program is not None for h in record.ledger.hypotheses)


def test_without_a_budget_nothing_is_tried_and_the_circuit_is_graded_all_the_same(
    pairs: Path, model_folder: Path, tmp_path: Path
) -> None:
    options = ("--task", pairs, "--model", model_folder, "--out", tmp_path, "--edges", 10, "--quiet")
    assert call(*options, "--budget", "0calls", "--json", tmp_path / "record.json") == 0
    record = CircuitRecord.model_validate_json((tmp_path / "record.json").read_text("utf-8"))
    assert record.ledger is not None
    assert record.ledger.outcomes == ()
    assert record.ledger.conclusion is not None
    assert "limit of 0" in record.ledger.conclusion.because
    assert any(isinstance(score, Score) for score in record.scores)
    assert "not measured: the investigation ended before" in circuit_page(record)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--budget", "10apples"), "'10apples' is no budget"),
        (("--llm", "nobody:x"), "nobody"),
        (("--task", "no"), "no task 'no': there are induction"),
        (("--metric", "no"), "no metric 'no': there are logit_difference"),
        (("--task", "absent.jsonl"), "absent.jsonl cannot be read"),
        (("--edges", "100000"), "a circuit of 100000 edges: the graph of this model has"),
    ],
)
def test_bad_input_is_one_line(
    options: tuple[str, ...],
    message: str,
    pairs: Path,
    model_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    known = {
        "--task": pairs,
        "--model": model_folder,
        "--out": tmp_path,
        **dict(zip(options[::2], options[1::2], strict=True)),
    }
    assert call(*(part for item in known.items() for part in item), "--quiet") == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
