"""What cannot be loaded is refused in one line that says why."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel

from autointerp.errors import ModelError
from autointerp.models import ADAPTERS, Subject, fingerprint
from autointerp.models._adapters import Point
from autointerp.records import SiteKind


@pytest.fixture
def folder(tmp_path: Path, model_folder: Path) -> Path:
    return Path(shutil.copytree(model_folder, tmp_path / "model"))


def refusal(name: str | Path) -> str:
    with pytest.raises(ModelError) as caught:
        Subject.load(str(name))
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500
    return message


def cut(path: Path, part: float) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def change_config(folder: Path, **settings: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | settings))


def test_no_such_folder(tmp_path: Path) -> None:
    assert "no model at" in refusal(tmp_path / "nothing")
    assert "'pystdlib' or a folder with config.json" in refusal(tmp_path)


def test_a_file_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert "no model at" in refusal(tmp_path / "file")


def test_weights_of_another_kind(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "no *.safetensors: convert the weights" in refusal(folder)


@pytest.mark.parametrize("part", [0.0, 0.001, 0.5, 0.999])
def test_truncated_weights(folder: Path, part: float) -> None:
    cut(folder / "model.safetensors", part)
    message = refusal(folder)
    assert str(folder) in message
    assert "fetch its files again" in message


def test_a_missing_tensor_is_named(folder: Path) -> None:
    change_weights(folder, lambda weights: weights.pop("model.layers.1.mlp.up_proj.weight"))
    assert "lack 1 tensors, model.layers.1.mlp.up_proj.weight first" in refusal(folder)


def test_tensors_of_another_width(folder: Path) -> None:
    change_config(folder, hidden_size=64)
    message = refusal(folder)
    assert "do not fit its config.json" in message
    assert "(300, 32), not (300, 64)" in message


def test_numbers_that_are_not_finite(folder: Path) -> None:
    change_weights(folder, lambda weights: weights["model.layers.1.mlp.up_proj.weight"].fill_(float("nan")))
    assert "layer 1" in refusal(folder)
    assert "not finite" in refusal(folder)


@pytest.mark.parametrize("text", ["{", "{}", "[]", '{"model_type": "nothing"}'])
def test_a_broken_config(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    assert "cannot be read" in refusal(folder)


def test_a_config_that_contradicts_itself(folder: Path) -> None:
    change_config(folder, num_attention_heads=5)
    assert "multiple of the number of attention heads" in refusal(folder)


@pytest.mark.parametrize("text", [None, "{", "{}", "[]", '{"model": {"type": "x"}, "added_tokens": []}'])
def test_a_missing_or_broken_tokenizer(folder: Path, text: str | None) -> None:
    if text is None:
        (folder / "tokenizer.json").unlink()
    else:
        (folder / "tokenizer.json").write_text(text)
    assert "no tokenizer that can be read" in refusal(folder)


def test_a_tokenizer_without_bos(folder: Path) -> None:
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text())
    del config["bos_token"]
    path.write_text(json.dumps(config))
    assert "has no BOS token" in refusal(folder)


def test_an_unsupported_family_lists_the_supported(folder: Path) -> None:
    module = GPT2LMHeadModel(GPT2Config(vocab_size=300, n_positions=32, n_embd=8, n_layer=1, n_head=2))
    module.save_pretrained(folder)
    assert f"is a GPT2LMHeadModel; supported are {', '.join(ADAPTERS)}" in refusal(folder)


def test_sites_in_the_wrong_place_are_noticed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = ADAPTERS["LlamaForCausalLM"]
    wrong = adapter.points | {SiteKind.MLP_OUT: Point("mlp", "input")}
    monkeypatch.setitem(ADAPTERS, "LlamaForCausalLM", replace(adapter, points=wrong))
    assert "layer 0" in refusal(folder)
    assert "resid_pre + attn_out + mlp_out differs from resid_post by" in refusal(folder)


def test_the_fingerprint_follows_weights_config_and_tokenizer(folder: Path, subject: Subject) -> None:
    assert Subject.load(str(folder)).fingerprint == subject.fingerprint
    seen = {subject.fingerprint}
    change_weights(folder, lambda weights: weights["model.norm.weight"][0].add_(0.5))
    seen.add(Subject.load(str(folder)).fingerprint)
    change_config(folder, rms_norm_eps=1e-5)
    seen.add(Subject.load(str(folder)).fingerprint)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["model"]["merges"].pop()
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    seen.add(Subject.load(str(folder)).fingerprint)
    assert len(seen) == 4


def test_loading_is_quiet_and_gives_plain_float32(
    folder: Path, capfd: pytest.CaptureFixture[str], subject: Subject
) -> None:
    change_weights(folder, lambda weights: weights.update({k: v.half() for k, v in weights.items()}))
    half = Subject.load(str(folder))
    assert capfd.readouterr() == ("", "")
    assert {p.dtype for p in half.module.parameters()} == {torch.float32}
    assert not any(p.requires_grad for p in half.module.parameters())
    assert (half.width, half.layers, half.context) == (32, 3, 64)


def test_fingerprint_sees_every_byte_of_small_files_and_the_edges_of_large_ones(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(bytes(3 * 2**20))
    marks = [fingerprint([path])]
    for place in (0, 2**20 - 1, 2**21, 3 * 2**20 - 1):
        content = bytearray(3 * 2**20)
        content[place] = 1
        path.write_bytes(content)
        marks.append(fingerprint([path]))
    small = tmp_path / "small"
    for content in (b"abc", b"abd", b"ab", b""):
        small.write_bytes(content)
        marks.append(fingerprint([small]))
    assert len(set(marks)) == len(marks)
    assert all(len(mark) == 16 and int(mark, 16) >= 0 for mark in marks)
    assert fingerprint([path, small]) == fingerprint([small, path])
