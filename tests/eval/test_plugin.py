"""A package of someone else, installed beside this one, adds an organism, a task and an agent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = Path(__file__).resolve().parents[1] / "plugin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process that finds the plugin, which was installed as any package is."""
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]
    done = subprocess.run(
        [*pip, "--no-build-isolation", "--target", str(target), str(PLUGIN)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return {**os.environ, "PYTHONPATH": str(target), "OMP_NUM_THREADS": "1"}


def autointerp(environment: dict[str, str], *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "autointerp", *words],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_organism_does_what_its_truth_says(installed: dict[str, str], tmp_path: Path) -> None:
    said = autointerp(installed, "eval", "make", "alike/alike", "--out", str(tmp_path), "--check")
    assert "accuracy: 1.000" in said
    assert "IIA of the true model: 1.000" in said


def test_its_agent_answers_its_task_also_in_a_jail(installed: dict[str, str], tmp_path: Path) -> None:
    words = ["--task", "predict_alike", "--agent", "runs-it", "--workers", "1", "--quiet", "--out", str(tmp_path)]
    autointerp(installed, "eval", "run", *words)
    lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [line["grade"]["failure"] for line in lines] == [None, None]
    assert [(line["grade"]["score"], line["forward_passes"], line["kind"]) for line in lines] == [
        (1.0, 30, "neighbours")
    ] * 2
