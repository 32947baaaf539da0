"""The example of a hand-written transformer in the documentation runs, and prints what it says."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
import torch

from autointerp.models import ADAPTERS

PAGE = Path(__file__).parents[2] / "docs" / "models.md"


def test_the_example_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    script = tmp_path / "example.py"
    script.write_text("\n".join(blocks))
    names = runpy.run_path(str(script))
    printed = capsys.readouterr().out
    assert "layer 1: resid_post = resid_pre + attn_out + mlp_out" in printed
    assert "logits = final through head" in printed
    assert "64 torch.Size([2, 4, 64])" in printed
    down = names["subject"].module.blocks[1].down.weight
    torch.testing.assert_close(names["written"], down[:, 3])


def test_every_family_in_the_table_is_named() -> None:
    text = PAGE.read_text(encoding="utf-8").replace("-", "").replace(" ", "").lower()
    for name in ADAPTERS:
        family = re.sub(r"(ForCausalLM|ForMaskedLM|ForConditionalGeneration|LMHeadModel|Text|Model|\d)+$", "", name)
        assert family.lower() in text, name
