"""`autointerp explain` on the tiny model."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from autointerp import __version__
from autointerp.records import RunRecord, Verdict
from autointerp.report import page, read_json
from autointerp.testing import tiny_corpus
from tests.cli.running import DEAD, FEATURE, Call, in_a_process, options_of, timeless


def test_it_writes_a_record_and_a_page(explain: Call, tmp_path: Path, whole: RunRecord) -> None:
    result = explain(json=tmp_path / "record.json")
    assert result.code == 0
    assert result.err == ""
    record = read_json(tmp_path / "record.json")
    assert timeless(record) == whole
    html = tmp_path / "out" / f"feature-{FEATURE}.html"
    assert html.read_text("utf-8") == page(record)
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == [html.name, "record.json"]
    assert result.out.endswith(f"page: {html}\n")


def test_the_json_has_the_fields_that_it_should_have(explain: Call, tmp_path: Path) -> None:
    explain("--quiet", json=tmp_path / "record.json")
    content = json.loads((tmp_path / "record.json").read_text())
    assert {"format", "feature", "explanation", "scores", "evidence", "cost", "versions"} <= set(content)
    assert {"summary", "fires_on", "promotes", "predictor", "effects", "verdict", "confidence"} <= set(
        content["explanation"]
    )
    for score in content["scores"]:
        assert {"name", "reason"} <= set(score) or {"name", "value", "ci", "n", "control"} <= set(score)


def test_the_terminal_shows_sentence_program_and_scores(explain: Call, whole: RunRecord) -> None:
    out = explain().out
    assert "def predict(tokens):" in out
    assert str(whole.explanation.verdict) in out.lower()
    for score in whole.scores:
        assert score.name in out or score.name.replace("_", " ") in out


def test_quiet_says_where_the_page_is_and_no_more(explain: Call, tmp_path: Path) -> None:
    result = explain("--quiet")
    assert (result.code, result.err) == (0, "")
    assert result.out == f"page: {tmp_path / 'out' / f'feature-{FEATURE}.html'}\n"


def test_a_dead_feature_is_an_answer(explain: Call, tmp_path: Path) -> None:
    result = explain(feature=DEAD, json=tmp_path / "record.json")
    assert (result.code, result.err) == (0, "")
    record = read_json(tmp_path / "record.json")
    assert record.explanation.verdict is Verdict.INSUFFICIENT_EVIDENCE
    assert (tmp_path / "out" / f"feature-{DEAD}.html").is_file()


def test_another_seed_is_another_run(explain: Call, tmp_path: Path, whole: RunRecord) -> None:
    assert explain("--quiet", json=tmp_path / "record.json", seed=1).code == 0
    assert read_json(tmp_path / "record.json").versions.seed == 1
    assert timeless(read_json(tmp_path / "record.json")) != whole


def test_an_older_page_is_replaced(explain: Call, tmp_path: Path) -> None:
    html = tmp_path / "out" / f"feature-{FEATURE}.html"
    html.parent.mkdir()
    html.write_text("old")
    assert explain("--quiet").code == 0
    assert html.read_text() != "old"


def test_a_folder_of_texts_is_a_corpus_too(explain: Call, tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    for number, line in enumerate(tiny_corpus(tmp_path / "made", documents=40).read_text().splitlines()):
        (texts / f"{number}.txt").write_text(json.loads(line)["text"])
    assert explain("--quiet", corpus=texts, feature=DEAD).code == 0


def test_the_module_is_the_command() -> None:
    result = in_a_process("-m", "autointerp", "--version")
    assert (result.code, result.out, result.err) == (0, f"autointerp {__version__}\n", "")


def test_help_names_the_command_and_its_options(call: Call) -> None:
    top, below = call("--help"), call("explain", "--help")
    assert (top.code, below.code) == (0, 0)
    assert "explain" in top.out
    for option in ("--feature", "--model", "--dictionary", "--corpus", "--tokens", "--out", "--json", "--seed"):
        assert option in below.out


def test_no_command_shows_the_help(call: Call) -> None:
    result = call()
    assert result.code == 2
    assert result.err.strip() == call("--help").out.strip()


@pytest.mark.slow
def test_it_needs_no_network(inputs: dict[str, object], tmp_path: Path, whole: RunRecord) -> None:
    alone = ("unshare", "-n")
    if not shutil.which("unshare") or subprocess.run([*alone, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no network namespace can be made here")
    options = options_of({**inputs, "out": tmp_path / "out", "json": tmp_path / "record.json"})
    result = in_a_process("-m", "autointerp", "explain", "--quiet", *options, before=alone)
    assert (result.code, result.err) == (0, "")
    assert timeless(read_json(tmp_path / "record.json")) == whole
