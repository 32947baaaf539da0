"""The page about dictionaries: its examples run, and it leaves no format out."""

from __future__ import annotations

import re
import runpy
from importlib.metadata import entry_points
from pathlib import Path

import torch

PAGE = Path(__file__).parents[2] / "docs" / "dictionaries.md"


def test_the_examples_run_and_ablate(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    script = tmp_path / "example.py"
    script.write_text("\n".join(blocks))
    names = runpy.run_path(str(script))
    subject, dictionary, feature, x = (names[key] for key in ("subject", "dictionary", "feature", "x"))

    def ablate(module: object, given: object, got: torch.Tensor) -> torch.Tensor:
        """By hand: what the decoder makes of the feature is taken out of the block's output."""
        return got - dictionary.encode_one(x, feature)[..., None] * dictionary.direction(feature)

    with torch.no_grad():
        clean = subject.module(names["ids"]).logits
    handle = subject.module.model.layers[dictionary.input_site.layer].register_forward_hook(ablate)
    with torch.no_grad():
        wanted = subject.module(names["ids"]).logits
    handle.remove()
    torch.testing.assert_close(names["logits"], wanted, rtol=1e-4, atol=1e-4)
    assert (names["logits"] - clean).abs().max() > 0.1


def test_every_format_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for point in entry_points(group="autointerp.dictionaries"):
        assert f"`{point.name}`" in text or f"`{point.name}:" in text, point.name
