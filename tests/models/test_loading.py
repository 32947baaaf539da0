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
from transformers import MixtralConfig, MixtralForCausalLM

from autointerp.errors import ModelError
from autointerp.models import ADAPTERS, Point, Subject, fingerprint
from autointerp.records import SiteKind
from tests.models.families import FAMILIES, write_family


@pytest.fixture
def folder(tmp_path: Path, model_folder: Path) -> Path:
    return Path(shutil.copytree(model_folder, tmp_path / "model"))


def refusal(name: str | Path, limit: int = 500) -> str:
    with pytest.raises(ModelError) as caught:
        Subject.load(str(name))
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < limit
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


def give_tokens(folder: Path, **roles: str) -> None:
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text())
    kept = {key: value for key, value in config.items() if key not in ("bos_token", "eos_token", "pad_token")}
    path.write_text(json.dumps(kept | roles))


@pytest.mark.parametrize(
    ("roles", "bos"),
    [
        ({"bos_token": "a", "cls_token": "b", "eos_token": "c", "pad_token": "d"}, "a"),
        ({"cls_token": "b", "eos_token": "c", "pad_token": "d"}, "b"),
        ({"eos_token": "c", "pad_token": "d"}, "c"),
        ({"pad_token": "d"}, "d"),
    ],
)
def test_what_starts_a_text_where_there_is_no_bos(folder: Path, roles: dict[str, str], bos: str) -> None:
    give_tokens(folder, **roles)
    subject = Subject.load(str(folder))
    assert subject.strings[subject.bos] == bos
    assert (subject.padding, subject.suffix) == (subject.bos, ())


def test_a_tokenizer_with_nothing_to_start_a_text(folder: Path) -> None:
    give_tokens(folder)
    assert "has no BOS token, nor CLS, EOS or PAD" in refusal(folder)


def test_an_encoder_needs_a_padding_token(tmp_path: Path) -> None:
    folder = write_family(FAMILIES["bert"], tmp_path)
    give_tokens(folder, cls_token="<a>")
    assert "has no PAD token" in refusal(folder)


def test_an_unsupported_family_lists_the_supported(folder: Path) -> None:
    module = MixtralForCausalLM(
        MixtralConfig(
            vocab_size=300, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2,
            num_key_value_heads=2, num_local_experts=2, num_experts_per_tok=1,
        )
    )  # fmt: skip
    module.save_pretrained(folder)
    message = refusal(folder, limit=1200)
    assert f"is a MixtralForCausalLM; supported are {', '.join(ADAPTERS)}" in message


def test_more_layers_in_the_weights_than_in_the_config(folder: Path) -> None:
    change_config(folder, num_hidden_layers=2)
    assert "have 3 layers and its config.json 2: correct num_hidden_layers" in refusal(folder)


def test_shards_are_read_as_one(folder: Path, subject: Subject) -> None:
    subject.module.save_pretrained(folder, max_shard_size="20KB")
    (folder / "model.safetensors").unlink()
    assert len(list(folder.glob("*.safetensors"))) > 2
    sharded = Subject.load(str(folder))
    ids = torch.tensor([[0, 5, 6]])
    torch.testing.assert_close(sharded.run(ids, logits=True).logits, subject.run(ids, logits=True).logits)
    next(iter(sorted(folder.glob("*.safetensors")))).unlink()
    assert "fetch" in refusal(folder)


def test_plain_pickles_are_read_and_code_in_them_is_not_run(folder: Path, subject: Subject) -> None:
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    pickled = Subject.load(str(folder))
    ids = torch.tensor([[0, 5, 6]])
    torch.testing.assert_close(pickled.run(ids, logits=True).logits, subject.run(ids, logits=True).logits)

    marker = folder / "ran"

    class Harmful:
        def __reduce__(self) -> Any:
            return (Path.touch, (marker,))

    torch.save({**weights, "extra": Harmful()}, folder / "pytorch_model.bin")
    assert "no *.safetensors: convert the weights" in refusal(folder)
    assert not marker.exists()


def test_an_architecture_without_a_head_of_its_own_kind_falls_back(tmp_path: Path) -> None:
    folder = write_family(FAMILIES["bert"], tmp_path / "bert")
    # A classifier's weights: there is no row for its class, and of the others only the stem is all there.
    weights = {k: v for k, v in load_file(folder / "model.safetensors").items() if not k.startswith("cls.")}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    change_config(folder, architectures=["BertForSequenceClassification"])
    subject = Subject.load(str(folder))
    assert type(subject.module).__name__ == "BertModel"
    assert not subject.has_logits


def test_a_name_that_the_hub_cannot_be_asked_for() -> None:
    message = refusal("nobody/no-such-model", limit=700)
    assert "no model at nobody/no-such-model: it is no folder, and on the hub it cannot be reached" in message


def test_a_model_in_the_hub_s_cache_needs_no_network(
    folder: Path, subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    revision = "0123456789abcdef0123456789abcdef01234567"
    home = tmp_path / "hub" / "models--somebody--model"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text(revision)
    shutil.copytree(folder, home / "snapshots" / revision)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    cached = Subject.load("somebody/model")
    assert (cached.name, cached.fingerprint) == ("somebody/model", subject.fingerprint)


@pytest.mark.parametrize(
    ("kind", "wrong", "message"),
    [
        (
            SiteKind.ATTN_OUT,
            Point("self_attn.o_proj", "input"),
            "layer 0: resid_post = resid_pre + attn_out + mlp_out is",
        ),
        (
            SiteKind.MLP_OUT,
            Point("mlp.down_proj", "input"),
            "is missed by inf of its length, so its sites are not where",
        ),
        (SiteKind.MLP_HIDDEN, Point("mlp.up_proj", "input"), "layer 0: mlp_out = mlp_hidden through up_proj is missed"),
        (SiteKind.MLP_OUT, Point("mlp", "input"), "does not come by its sites in the order of its adapter"),
        (SiteKind.MLP_OUT, Point("ffn"), "has no module 'model.layers.0.ffn'"),
    ],
)
def test_sites_in_the_wrong_place_are_noticed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, kind: SiteKind, wrong: Point, message: str
) -> None:
    adapter = ADAPTERS["LlamaForCausalLM"]
    monkeypatch.setitem(ADAPTERS, "LlamaForCausalLM", replace(adapter, points={**adapter.points, kind: wrong}))
    assert message in refusal(folder)


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
