"""`autointerp doctor` says what works and what does not, and `sites` what a model has."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from autointerp.cli._sites import sites
from tests.cli.running import Call


def test_a_sound_installation(call: Call, tmp_path: Path) -> None:
    result = call("doctor", "--json", tmp_path / "found.json")
    assert result.code == 0, result.out
    assert result.err == ""
    lines = result.out.splitlines()
    assert all(line.startswith("ok     ") for line in lines[:-1])
    for part in (
        "torch: ",
        "device: ",
        "sandbox: ran a program",
        "cache: ",
        "model pystdlib: LlamaForCausalLM (causal)",
    ):
        assert any(part in line for line in lines), part
    found = {entry["name"]: entry for entry in json.loads((tmp_path / "found.json").read_text())}
    assert lines[-1] == f"{len(found)} of {len(found)} as they should be"
    checks = found["pystdlib: resid_post = resid_pre + attn_out + mlp_out"]["checks"]
    assert [check["layer"] for check in checks] == [0, 1, 2, 3]
    assert all(check["passed"] and check["error"] < 1e-5 for check in checks)
    assert "reads resid_post" in found["dictionary pystdlib-sae"]["detail"]


def test_a_model_and_a_dictionary_of_one_s_own(call: Call, model_folder: Path, dictionary_folder: Path) -> None:
    result = call("doctor", "--model", model_folder, "--dictionary", f"file:{dictionary_folder}")
    assert result.code == 0, result.out
    assert f"ok     model {model_folder}: LlamaForCausalLM (causal) of 3 layers, width 32, context 64" in result.out
    assert f"ok     dictionary file:{dictionary_folder}: 64 features, reads resid_post.1" in result.out


def test_what_is_wrong_is_said_and_the_rest_goes_on(
    call: Call, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(model_folder, tmp_path / "model"))
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.1.mlp.up_proj.weight"].fill_(torch.nan)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv("AUTOINTERP_CACHE", str(tmp_path / "file"))
    result = call("doctor", "--model", folder, "--dictionary", "file:nowhere")
    assert result.code == 1
    failed = [line for line in result.out.splitlines() if line.startswith("FAILED ")]
    assert [line.split(":")[0] for line in failed] == [
        "FAILED cache",
        f"FAILED model {folder}",
        "FAILED dictionary file",
    ]
    assert "set AUTOINTERP_CACHE" in failed[0]
    assert "not finite" in failed[1]
    assert "its model does not load" in failed[2]
    assert "ok     sandbox" in result.out


def test_a_json_that_cannot_be_written(call: Call, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    result = call("doctor", "--json", tmp_path / "file" / "found.json")
    assert result.code == 1
    assert "cannot write" in result.line


def test_sites_are_listed_with_their_shapes(model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sites(str(model_folder)) == 0
    out = capsys.readouterr().out
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line and line.split()[0].islower()}
    assert rows["mlp_hidden"] == ["mlp_hidden", "0–2", "[batch,", "tokens,", "64]", "by", "one", "matrix"]
    assert rows["k"] == ["k", "0–2", "[batch,", "tokens,", "16]", "no"]
    assert rows["embed"] == ["embed", "[batch,", "tokens,", "32]", "as", "it", "is"]
    assert rows["pattern"][2:] == ["[batch,", "heads,", "tokens,", "tokens]", "no"]
    assert "ok     resid_post = resid_pre + attn_out + mlp_out: error" in out
    assert "ok     head_out = pattern × v: error" in out
