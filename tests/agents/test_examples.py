"""The examples run as they stand, on the tiny model."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FEATURE = 40


@pytest.fixture(scope="module")
def settings(model_folder: Path, dictionary_folder: Path, corpus_file: Path) -> dict[str, Any]:
    return {
        "model": str(model_folder),
        "dictionary": f"file:{dictionary_folder}",
        "corpus": str(corpus_file),
        "tokens": 10_000,
    }


@pytest.mark.parametrize("name", sorted(path.stem for path in EXAMPLES.glob("*.py")))
def test_it_runs(name: str, settings: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    result = module.main(FEATURE, **settings)
    if inspect.iscoroutine(result):
        asyncio.run(result)
    printed = capsys.readouterr().out
    assert any(told in printed for told in ("Fires", "No rule says", "No short rule says"))
