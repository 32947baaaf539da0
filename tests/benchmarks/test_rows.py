"""The rows that every benchmark writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks._rows import Row, parser, publish


@pytest.mark.parametrize(
    ("value", "target", "met"),
    [
        (1.10, "<= 1.10", True),
        (1.11, "<= 1.10", False),
        (0.50, "> 0.5", False),
        (0.51, "> 0.5", True),
        (0.20, ">= 0.20", True),
        (0.19, ">= 0.20", False),
        (2.0, "< 2", False),
        (-1.0, "< 2", True),
        (float("nan"), ">= 0", False),
        (1.0, None, None),
    ],
)
def test_a_target_is_a_comparison(value: float, target: str | None, met: bool | None) -> None:
    assert Row("name", value, "unit", target=target).met is met


def test_rows_are_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [Row("first", 0.75, "score", baseline=0.5, target=">= 0.7"), Row("second", 3, "count")]
    publish("A title", rows, tmp_path / "rows.json")
    first, second = json.loads((tmp_path / "rows.json").read_text())
    assert first == {
        "name": "first",
        "value": 0.75,
        "unit": "score",
        "baseline": 0.5,
        "target": ">= 0.7",
        "met": True,
    }
    assert (second["baseline"], second["target"], second["met"]) == (None, None, None)
    out = capsys.readouterr().out
    for words in ("A title", "first (score)", "0.750", "0.500", ">= 0.7 met", "second (count)"):
        assert words in out


def test_every_benchmark_has_the_same_flags() -> None:
    options = parser("what it measures").parse_args(["--quick", "--json", "rows.json", "--seed", "3"])
    assert (options.quick, options.json, options.seed) == (True, Path("rows.json"), 3)
