"""`autointerp circuit` from the command line to the page, on a small model and a file of pairs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from autointerp.cli import main
from autointerp.records import CircuitRecord, Score, Unscored
from autointerp.report import circuit_page

pytestmark = pytest.mark.slow


def call(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["circuit", *map(str, arguments)])
    return int(stopped.value.code or 0)


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
    assert "no program in the library for made-up" in scores["IIA"].reason
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


@pytest.mark.parametrize(
    ("options", "message"),
    [
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
