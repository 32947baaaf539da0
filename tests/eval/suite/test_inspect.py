"""The tasks as inspect runs them: found by name, graded as elsewhere, and no truth in what inspect knows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("inspect_ai", reason="needs the extra eval")


@pytest.mark.slow
def test_a_task_is_found_by_its_name_and_graded(tmp_path: Path) -> None:
    task = ("autointerp/localise", "--model", "none/none", "-T", "count=2", "-T", "agent=random")
    command = [sys.executable, "-m", "inspect_ai", "eval", *task, "--display", "plain", "--log-dir", "logs"]
    environment = {**os.environ, "INSPECT_LOG_FORMAT": "json"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (tmp_path / "logs").glob("*.json")
    log = json.loads(path.read_text(encoding="utf-8"))
    assert log["status"] == "success"
    scores = [sample["scores"]["graded_by_program"] for sample in log["samples"]]
    assert len(scores) == 2
    for score in scores:
        assert 0 <= score["value"]["score"] <= 1
        assert score["metadata"]["failure"] is None
        assert "components" in json.loads(score["answer"])
    # What is asked is there, and nothing to compare an answer with.
    assert {sample["target"] for sample in log["samples"]} == {""}
