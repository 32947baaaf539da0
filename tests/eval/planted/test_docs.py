"""The page on planted features: its code gives what it says, and its table is what the benchmark wrote."""

from __future__ import annotations

import doctest
import json
import re
from pathlib import Path

import pytest

from autointerp.eval.organisms.planted import PlantedFeatures
from autointerp.eval.organisms.planted.kinds import KINDS

REPOSITORY = Path(__file__).resolve().parents[3]
PAGE = REPOSITORY / "docs" / "planted.md"
RESULTS = REPOSITORY / "benchmarks" / "results" / "planted.json"


def test_the_code_of_the_page_gives_what_it_says() -> None:
    code = "\n".join(
        re.findall(r"^```pycon\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    )
    page = doctest.DocTestParser().get_doctest(code, {}, PAGE.name, str(PAGE), 0)
    said: list[str] = []
    results = doctest.DocTestRunner(verbose=False).run(page, out=said.append)
    assert results.failed == 0, "".join(said)
    assert results.attempted > 8


def test_the_page_names_every_kind_and_knob() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert {name for name in (*KINDS, *PlantedFeatures.knobs) if f"`{name}`" not in text} == set()


@pytest.mark.skipif(not RESULTS.exists(), reason="the benchmark's rows are not here")
def test_the_table_is_what_the_benchmark_wrote() -> None:
    lines = ["| figure | value | baseline | target | met |", "|---|---:|---:|---|---|"]
    for row in json.loads(RESULTS.read_text(encoding="utf-8")):
        baseline = "" if row["baseline"] is None else f"{row['baseline']:.3f}"
        met = {None: "", True: "yes", False: "NO"}[row["met"]]
        lines.append(f"| {row['name']} | {row['value']:.3f} | {baseline} | {row['target'] or ''} | {met} |")
    table = "\n".join(lines)
    text = PAGE.read_text(encoding="utf-8")
    assert re.search(r"<!-- planted:start -->\n(.*)\n<!-- planted:end -->", text, flags=re.DOTALL)[1] == table  # type: ignore[index]
