"""The benchmark of the client layer runs, and its figures are those of the server's count."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks import llm_throughput


def test_it_runs_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "rows.json"
    monkeypatch.setattr(sys, "argv", ["llm_throughput.py", "--quick", "--json", str(rows)])
    for name, value in {"LATENCY": 0.01, "LIMIT": 100.0, "QUICK": 40, "LIMITED_QUICK": 60, "CONCURRENCY": 8}.items():
        monkeypatch.setattr(llm_throughput, name, value)
    llm_throughput.main()
    written = {row["name"]: row for row in json.loads(rows.read_text())}
    assert len(written) == 10
    for kind in ("openai", "anthropic"):
        over = written[f"{kind}: 40 requests of 10 ms, 8 at once: over the ideal"]
        assert over["target"] == "<= 1.10"
        assert over["value"] >= 1
        assert over["baseline"] >= 1
        assert written[f"{kind}: limit of 100 a second, stated: goodput"]["target"] == ">= 90"
        assert written[f"{kind}: limit of 100 a second, stated: rejected"]["target"] == "< 2"
        assert 0 < written[f"{kind}: limit of 100 a second, stated: goodput"]["value"] <= 100
    assert "over the ideal" in capsys.readouterr().out
