"""The tools through the protocol: against the model as transformers runs it, and in the schemas that hosts read."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from autointerp.mcp import Settings
from autointerp.tools import all_tools
from tests.mcp.talking import FEATURE, asked, loaded, refused

Converse = Callable[..., None]


def test_every_registered_tool_is_there_with_the_feature_it_is_about(converse: Converse) -> None:
    async def look(client: Any) -> None:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
        for name, tool in all_tools().items():
            if name in ("page", "run_code"):
                continue
            schema = listed[name].input_schema
            assert schema["required"][0] == "feature"
            assert schema["properties"]["feature"]["type"] == "integer"
            assert set(schema["properties"]) == {"feature", *tool.arguments.model_fields}
            assert listed[name].annotations.read_only_hint
        assert not listed["explain_start"].annotations.read_only_hint

    converse(look)


def test_activations_are_those_of_the_weights(
    converse: Converse, model_folder: Path, dictionary_folder: Path, subject: Any
) -> None:
    text = "def build_count(self, value):\n    return value"
    weights = load_file(dictionary_folder / "sae_weights.safetensors")
    ids = subject.tokenizer(text, add_special_tokens=False).input_ids
    with torch.no_grad():
        hidden = loaded(str(model_folder))(torch.tensor([[0, *ids]]), output_hidden_states=True).hidden_states[2][0, 1:]
    before = (hidden - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"]
    active = torch.where(before > weights["threshold"], before, 0.0)
    feature = int((active > 0).sum(0).argmax())

    async def look(client: Any) -> None:
        answer = await asked(client, "activations_on", feature=feature, texts=[text])
        assert f"{float(active[:, feature].max()):.3g}" in answer

    converse(look)


def test_figures_are_those_of_a_count(converse: Converse, laboratory: Any) -> None:
    async def look(client: Any) -> None:
        answer = await asked(client, "list_features", order="density", count=3)
        rows = [int(line.split()[0]) for line in answer.splitlines() if re.match(r" +\d+  ", line)]
        counts = sorted(range(64), key=lambda i: -laboratory.index.active[i])
        assert rows == counts[:3]
        assert "offset=3" in answer

    converse(look)


def test_code_is_run_only_where_that_was_asked_for(converse: Converse, settings: Settings) -> None:
    async def without(client: Any) -> None:
        assert "run_code" not in {tool.name for tool in (await client.list_tools()).tools}
        assert "no tool 'run_code'" in await refused(client, "run_code", feature=FEATURE, code="1")

    async def with_it(client: Any) -> None:
        code = "len(activations_on(texts=['def f(', 'x = 1']))  > 0"
        assert "value: True" in await asked(client, "run_code", feature=FEATURE, code=code)

    converse(without)
    if "run_code" in all_tools():
        converse(with_it, replace(settings, run_code=True))


def test_many_calls_at_once_are_answered(converse: Converse) -> None:
    async def ask(client: Any) -> None:
        texts = [f"def f{number}(value):" for number in range(12)]
        calls = [
            asked(client, "activations_on", feature=30 + number, texts=[text]) for number, text in enumerate(texts)
        ]
        together = await asyncio.gather(*calls)
        one_by_one = [
            await asked(client, "activations_on", feature=30 + number, texts=[text])
            for number, text in enumerate(texts)
        ]
        assert list(together) == one_by_one

    converse(ask)
