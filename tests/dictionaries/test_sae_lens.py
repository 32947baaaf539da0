"""Dictionaries compute what the library that wrote them computes, or are refused in one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from autointerp.dictionaries import Dictionary, Sparse, open_dictionary
from autointerp.errors import DictionaryError
from autointerp.records import Site, SiteKind
from autointerp.testing import tiny_dictionary

FIXTURES = Path(__file__).parents[1] / "fixtures" / "dictionary_formats"
SHARED = Path(__file__).parents[3] / "shared" / "data" / "dictionary_formats"
READ = (
    "saelens_standard",
    "saelens_standard_no_b_dec_input",
    "saelens_topk",
    "saelens_topk_trained",
    "saelens_jumprelu",
    "saelens_jumprelu_no_b_dec_input",
    "saelens_batchtopk_as_jumprelu",
    "saelens3_topk",
)
REFUSED = {
    "saelens_gated": "architecture 'gated' is not read; those that are: standard, topk, jumprelu",
    "saelens_standard_hook_z": "reshape_activations 'hook_z' is not read",
    "saelens5_finetuned_scaling": "holds scaling_factor",
}
WIDTH = 8


def opened(folder: Path) -> Dictionary:
    return open_dictionary(str(folder), width=WIDTH, layers=3)


def dense(acts: Sparse, positions: int, size: int) -> Tensor:
    out = torch.zeros(positions, size)
    out[acts.rows, acts.features] = acts.values
    return out


def assert_agrees(folder: Path) -> None:
    expected = {name: torch.from_numpy(array) for name, array in np.load(folder / "io.npz").items()}
    dictionary = opened(folder)
    x = expected["x"]
    acts = dictionary.encode(x)
    torch.testing.assert_close(
        dense(acts, len(x), dictionary.size), expected["features"].reshape(len(x), -1), rtol=1e-5, atol=1e-5
    )
    torch.testing.assert_close(dictionary.decode(acts, len(x)), expected["reconstruction"], rtol=1e-5, atol=1e-5)
    assert (expected["features"] > 0).any(0).sum() > 5


@pytest.mark.parametrize("name", READ)
def test_activations_and_reconstruction_are_those_of_the_original(name: str) -> None:
    assert_agrees(FIXTURES / name)


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_be_read_wrongly_is_refused(name: str) -> None:
    assert REFUSED[name] in refusal(FIXTURES / name)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the full collection of formats is not at hand")
def test_every_known_format_is_read_rightly_or_refused() -> None:
    read = []
    for folder in sorted(path for path in SHARED.iterdir() if path.is_dir()):
        try:
            opened(folder)
        except DictionaryError:
            continue
        assert_agrees(folder)
        read.append(folder.name)
    assert set(READ) <= set(read)


@pytest.mark.parametrize("name", READ)
def test_one_feature_is_a_column_of_all(name: str) -> None:
    dictionary = opened(FIXTURES / name)
    x = torch.from_numpy(np.load(FIXTURES / name / "io.npz")["x"])
    whole = dense(dictionary.encode(x), len(x), dictionary.size)
    for feature in range(dictionary.size):
        torch.testing.assert_close(dictionary.encode_one(x, feature), whole[:, feature], rtol=1e-5, atol=1e-6)
    batch = x.view(4, -1, WIDTH)
    torch.testing.assert_close(dictionary.encode_one(batch, 3), whole[:, 3].view(4, -1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", READ)
def test_activations_are_sorted_by_row_positive_and_found_once(name: str) -> None:
    dictionary = opened(FIXTURES / name)
    acts = dictionary.encode(torch.from_numpy(np.load(FIXTURES / name / "io.npz")["x"]))
    assert (acts.values > 0).all()
    assert (acts.rows.diff() >= 0).all()
    assert len(set(zip(acts.rows.tolist(), acts.features.tolist(), strict=True))) == len(acts.rows)


def test_topk_keeps_k_at_most(tmp_path: Path) -> None:
    dictionary = opened(tiny_dictionary(tmp_path, width=WIDTH, architecture="topk"))
    acts = dictionary.encode(5 * torch.randn(50, WIDTH, generator=torch.Generator().manual_seed(0)))
    assert int(acts.rows.bincount().max()) == 8


def test_directions_are_what_a_unit_of_activation_writes(tmp_path: Path) -> None:
    dictionary = opened(tiny_dictionary(tmp_path, width=WIDTH, latents=20))
    nothing = dictionary.decode(
        Sparse(*(torch.zeros(0, dtype=t) for t in (torch.int64, torch.int64, torch.float32))), 1
    )
    for feature in (0, 7, 19):
        one = Sparse(torch.tensor([0]), torch.tensor([feature]), torch.tensor([1.0]))
        torch.testing.assert_close((dictionary.decode(one, 1) - nothing)[0], dictionary.direction(feature))
        assert torch.equal(dictionary.directions()[feature], dictionary.direction(feature))


@pytest.mark.parametrize(
    ("hook", "site"),
    [
        ("blocks.2.hook_resid_post", Site(layer=2, kind=SiteKind.RESID_POST)),
        ("blocks.0.hook_resid_pre", Site(layer=0, kind=SiteKind.RESID_PRE)),
        ("blocks.1.hook_mlp_out", Site(layer=1, kind=SiteKind.MLP_OUT)),
        ("blocks.1.hook_attn_out", Site(layer=1, kind=SiteKind.ATTN_OUT)),
    ],
)
def test_the_hook_names_the_site(folder: Path, hook: str, site: Site) -> None:
    change_config(folder, metadata={"hook_name": hook})
    assert opened(folder).input_site == opened(folder).output_site == site
    change_config(folder, metadata=None, hook_name=hook)
    assert opened(folder).input_site == site


def test_a_dictionary_knows_its_name_and_content(folder: Path) -> None:
    by_path, by_prefix = opened(folder), open_dictionary(f"file:{folder}", width=WIDTH, layers=3)
    assert (by_path.name, by_prefix.name) == (str(folder), f"file:{folder}")
    assert by_path.fingerprint == by_prefix.fingerprint
    change_weights(folder, lambda weights: weights["b_enc"][0].add_(1.0))
    assert opened(folder).fingerprint != by_path.fingerprint


def test_half_precision_is_read_as_float32(folder: Path) -> None:
    change_weights(folder, lambda weights: weights.update({k: v.half() for k, v in weights.items()}))
    assert opened(folder).directions().dtype == torch.float32


# Bad input.


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_dictionary(tmp_path / "dictionary", width=WIDTH, latents=20)


def change_config(folder: Path, **settings: Any) -> None:
    config = json.loads((folder / "cfg.json").read_text()) | settings
    (folder / "cfg.json").write_text(json.dumps(config))


def change_weights(folder: Path, change: Callable[[dict[str, Tensor]], Any]) -> None:
    weights = load_file(folder / "sae_weights.safetensors")
    change(weights)
    save_file({name: weight.contiguous() for name, weight in weights.items()}, folder / "sae_weights.safetensors")


def refusal(folder: Path, *, width: int = WIDTH, layers: int = 3) -> str:
    with pytest.raises(DictionaryError) as caught:
        open_dictionary(str(folder), width=width, layers=layers)
    message = str(caught.value)
    assert "\n" not in message
    assert str(folder) in message
    return message


def test_no_such_folder(tmp_path: Path) -> None:
    message = refusal(tmp_path / "nothing")
    assert "no dictionary at" in message
    assert "'pystdlib-sae' or file:FOLDER in one of" in message
    assert "sae_lens" in message


def test_a_folder_of_something_else_lists_the_formats(tmp_path: Path) -> None:
    (tmp_path / "params.npz").write_bytes(b"")
    message = refusal(tmp_path)
    assert "in none of the formats that can be read" in message
    assert "sae_lens" in message


@pytest.mark.parametrize(
    ("file", "other"), [("cfg.json", "sae_weights.safetensors"), ("sae_weights.safetensors", "cfg.json")]
)
def test_half_a_copy(folder: Path, file: str, other: str) -> None:
    (folder / file).unlink()
    assert f"{folder / file} is missing: copy it beside {other}" in refusal(folder)


@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.999])
def test_truncated_weights(folder: Path, part: float) -> None:
    path = folder / "sae_weights.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    assert f"{path} is cut off or no safetensors file" in refusal(folder)


@pytest.mark.parametrize(
    ("text", "says"), [("{", "is no JSON"), ("[]", "holds no JSON object"), ("{}", "architecture None")]
)
def test_a_broken_config(folder: Path, text: str, says: str) -> None:
    (folder / "cfg.json").write_text(text)
    assert says in refusal(folder)


def test_a_dictionary_for_another_width_names_both(folder: Path) -> None:
    assert f"for activations of width {WIDTH}, the model's are 32 wide" in refusal(folder, width=32)


def test_a_layer_that_the_model_does_not_have(folder: Path) -> None:
    assert "reads resid_post.1, but the model has layers 0 to 0" in refusal(folder, layers=1)
    assert open_dictionary(str(folder), width=WIDTH, layers=2).input_site.layer == 1


@pytest.mark.parametrize(
    ("key", "expected"),
    [("W_enc", (8, 20)), ("W_dec", (20, 8)), ("b_enc", (20,)), ("b_dec", (8,)), ("threshold", (20,))],
)
def test_a_wrong_shape_is_named_beside_the_right_one(folder: Path, key: str, expected: tuple[int, ...]) -> None:
    whole = shutil.copytree(folder, folder.with_name("whole"))
    change_weights(folder, lambda weights: weights.update({key: weights[key].repeat(*(2 for _ in expected))}))
    found = tuple(2 * n for n in expected)
    assert f"{key} has shape {found}, cfg.json says {expected}" in refusal(folder)
    change_weights(whole, lambda weights: weights.pop(key))
    assert f"lacks {key} of shape {expected}" in refusal(whole)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"architecture": "matryoshka"}, "'matryoshka' is not read; those that are: standard, topk, jumprelu"),
        ({"architecture": None}, "architecture None is not read"),
        ({"architecture": ["topk"]}, "is not read"),
        ({"normalize_activations": "layer_norm"}, "normalize_activations 'layer_norm' is not read"),
        ({"reshape_activations": "hook_z"}, "reshape_activations 'hook_z' is not read"),
        ({"activation_fn_str": "tanh"}, "activation_fn_str 'tanh' is not read"),
        ({"architecture": "topk"}, "k from 1 to d_sae, found None and 20"),
        ({"architecture": "topk", "k": 0}, "k from 1 to d_sae, found 0 and 20"),
        ({"architecture": "topk", "k": 21}, "k from 1 to d_sae, found 21 and 20"),
        ({"architecture": "topk", "k": "5"}, "k from 1 to d_sae, found '5' and 20"),
        ({"architecture": "standard"}, "holds threshold"),
        ({"d_in": 9}, "W_enc has shape (8, 20), cfg.json says (9, 20)"),
        ({"d_sae": None}, "W_enc has shape (8, 20), cfg.json says (8, None)"),
        ({"metadata": {"hook_name": "blocks.1.hook_nothing"}}, "'blocks.1.hook_nothing' is no site that is read"),
        ({"metadata": {"hook_name": "blocks.1.attn.hook_z"}}, "is no site that is read"),
        ({"metadata": {"hook_name": "xblocks.1.hook_resid_post"}}, "is no site that is read"),
        ({"metadata": {}}, "hook_name None is no site that is read, such as blocks.2.hook_resid_post"),
        ({"metadata": None}, "hook_name None"),
    ],
)
def test_settings_that_are_not_read(folder: Path, settings: dict[str, Any], says: str) -> None:
    change_config(folder, **settings)
    assert says in refusal(folder)


def test_rescaling_by_norms_other_than_one(folder: Path) -> None:
    change_config(folder, rescale_acts_by_decoder_norm=True)
    opened(folder)
    change_weights(folder, lambda weights: weights["W_dec"].mul_(2))
    assert "decoder rows of other norm than 1" in refusal(folder)
