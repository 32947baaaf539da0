"""The example of the page on language models runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.llm.formats import Said
from tests.llm.wire import Wire

PAGE = Path(__file__).resolve().parents[2] / "docs" / "llm.md"


EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("example", [example for example in EXAMPLES if "open_llms" in example])
def test_it_runs(example: str, tmp_path: Path) -> None:
    with Wire(lambda body: Said('{"applies": true, "reason": "it does"}')) as wire:
        environment = {**os.environ, "OPENAI_API_KEY": "none", "OPENAI_BASE_URL": wire.openai}
        done = subprocess.run(
            [sys.executable, "-c", example],
            cwd=tmp_path,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    assert "applies=True" in done.stdout
    assert (tmp_path / "llm.sqlite").exists()
