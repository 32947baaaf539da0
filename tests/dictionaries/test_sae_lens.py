"""SAELens folders: which settings are read, and what each decides."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from autointerp.dictionaries import Dictionary, open_dictionary
from autointerp.errors import DictionaryError
from autointerp.records import Site, SiteKind
from autointerp.testing import tiny_dictionary
from tests.dictionaries.toys import FIXTURES, WIDTH, Toy, dense


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_dictionary(tmp_path / "dictionary", width=WIDTH, latents=20)


def opened(folder: Path, suffix: str = "") -> Dictionary:
    return open_dictionary(f"{folder}{suffix}", Toy())


def change_config(folder: Path, **settings: Any) -> None:
    config = json.loads((folder / "cfg.json").read_text()) | settings
    (folder / "cfg.json").write_text(json.dumps(config))


def change_weights(folder: Path, change: Callable[[dict[str, Tensor]], Any]) -> None:
    weights = load_file(folder / "sae_weights.safetensors")
    change(weights)
    save_file({name: weight.contiguous() for name, weight in weights.items()}, folder / "sae_weights.safetensors")


def refusal(folder: Path) -> str:
    with pytest.raises(DictionaryError) as caught:
        opened(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert str(folder) in message
    return message


@pytest.mark.parametrize(
    ("hook", "site"),
    [
        ("blocks.2.hook_resid_post", Site(layer=2, kind=SiteKind.RESID_POST)),
        ("blocks.0.hook_resid_pre", Site(layer=0, kind=SiteKind.RESID_PRE)),
        ("blocks.1.hook_mlp_out", Site(layer=1, kind=SiteKind.MLP_OUT)),
        ("blocks.11.hook_attn_out", Site(layer=11, kind=SiteKind.ATTN_OUT)),
        ("blocks.1.attn.hook_z", Site(layer=1, kind=SiteKind.HEAD_OUT)),
        ("blocks.1.attn.hook_k", Site(layer=1, kind=SiteKind.K)),
        ("blocks.1.mlp.hook_post", Site(layer=1, kind=SiteKind.MLP_HIDDEN)),
        ("blocks.1.ln2.hook_normalized", Site(layer=1, kind=SiteKind.MLP_IN)),
        ("hook_embed", Site(layer=0, kind=SiteKind.EMBED)),
    ],
)
def test_the_hook_names_the_site(folder: Path, hook: str, site: Site) -> None:
    change_config(folder, metadata={"hook_name": hook})
    assert opened(folder).input_site == opened(folder).output_site == site
    change_config(folder, metadata=None, hook_name=hook)
    assert opened(folder).input_site == site
    change_config(folder, hook_name=None, hook_point=hook)
    assert opened(folder).input_site == site


@pytest.mark.parametrize(
    ("module", "site"),
    [
        ("model.layers.2", Site(layer=2, kind=SiteKind.RESID_POST)),
        ("transformer.h.10.mlp", Site(layer=10, kind=SiteKind.MLP_OUT)),
        ("model.layers.2.mlp.down_proj.input", Site(layer=2, kind=SiteKind.MLP_HIDDEN)),
        ("model.embed_tokens", Site(layer=0, kind=SiteKind.EMBED)),
    ],
)
def test_a_hook_of_no_name_is_looked_up_by_its_module(folder: Path, module: str, site: Site) -> None:
    change_config(folder, metadata={"hook_name": "blocks.2.hook_mlp_in", "hf_hook_name": module})
    assert opened(folder).input_site == site


def test_the_name_overrules_the_hook(folder: Path) -> None:
    assert opened(folder, "@mlp_out.7").input_site == Site(layer=7, kind=SiteKind.MLP_OUT)
    two = opened(folder, "@mlp_in.7:mlp_out.8")
    assert (str(two.input_site), str(two.output_site)) == ("mlp_in.7", "mlp_out.8")
    assert two.fingerprint != opened(folder).fingerprint


def test_a_transcoder_reads_one_site_and_writes_another(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(FIXTURES / "saelens_transcoder", tmp_path / "t"))
    assert "names hook_name 'blocks.0.hook_resid_post' and hook_name_out None" in refusal(folder)
    hooks = {"hook_name": "blocks.2.mlp.hook_in", "hook_name_out": "blocks.2.hook_mlp_out"}
    change_config(folder, metadata=hooks)
    dictionary = opened(folder)
    assert (str(dictionary.input_site), str(dictionary.output_site)) == ("mlp_in.2", "mlp_out.2")
    assert dictionary.writes(3).keys() == {dictionary.output_site}
    with pytest.raises(DictionaryError, match=r"does not write to mlp_in.2: it writes to mlp_out.2"):
        dictionary.directions_at(dictionary.input_site)


def test_a_dictionary_knows_its_name_and_content(folder: Path) -> None:
    by_path, by_prefix = opened(folder), open_dictionary(f"file:{folder}", Toy())
    by_format = open_dictionary(f"sae_lens:{folder}", Toy())
    assert (by_path.name, by_prefix.name) == (str(folder), f"file:{folder}")
    assert by_path.fingerprint == by_prefix.fingerprint == by_format.fingerprint
    change_weights(folder, lambda weights: weights["b_enc"][0].add_(1.0))
    assert opened(folder).fingerprint != by_path.fingerprint


def test_topk_keeps_k_at_most(tmp_path: Path) -> None:
    dictionary = opened(tiny_dictionary(tmp_path, width=WIDTH, architecture="topk"))
    acts = dictionary.encode(5 * torch.randn(50, WIDTH, generator=torch.Generator().manual_seed(0)))
    assert int(acts.rows.bincount().max()) == 8


def test_of_equal_activations_as_many_are_kept_as_there_is_room_for(tmp_path: Path) -> None:
    folder = tiny_dictionary(tmp_path, width=WIDTH, latents=20, architecture="topk")
    change_weights(folder, lambda w: (w["W_enc"].copy_(w["W_enc"][:, :1]), w["b_enc"].fill_(1.0)))
    dictionary = opened(folder)
    x = 3 * torch.randn(50, WIDTH, generator=torch.Generator().manual_seed(0))
    acts = dictionary.encode(x)
    counts = acts.rows.bincount(minlength=50)
    assert set(counts.tolist()) == {0, 8}
    alone = torch.stack([dictionary.encode_one(x, feature) for feature in range(20)], 1)
    assert torch.equal(alone, dense(acts, 50, 20))


@pytest.mark.parametrize("architecture", ["standard", "topk", "jumprelu"])
def test_what_is_not_finite_is_handed_on(architecture: Any, tmp_path: Path) -> None:
    dictionary = opened(tiny_dictionary(tmp_path, width=WIDTH, latents=20, architecture=architecture))
    x = 3 * torch.randn(6, WIDTH, generator=torch.Generator().manual_seed(0))
    x[2, 3] = float("nan")
    acts = dictionary.encode(x)
    bad = acts.values.isnan()
    assert set(acts.rows[bad].tolist()) == {2}
    rest = dictionary.encode(x[[0, 1, 3, 4, 5]])
    # Not to the bit: with another number of rows a product may be summed in another order.
    torch.testing.assert_close(acts.values[acts.rows != 2], rest.values, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("architecture", ["standard", "topk", "jumprelu"])
def test_no_positions(architecture: Any, tmp_path: Path) -> None:
    dictionary = opened(tiny_dictionary(tmp_path, width=WIDTH, latents=20, architecture=architecture))
    acts = dictionary.encode(torch.zeros(0, WIDTH))
    assert len(acts.rows) == len(acts.values) == 0
    assert dictionary.decode(acts, 0).shape == (0, WIDTH)
    assert dictionary.encode_one(torch.zeros(0, WIDTH), 3).shape == (0,)


def test_what_needs_the_input_to_be_decoded_says_so() -> None:
    for name in ("saelens_standard_layer_norm", "saelens_standard_constant_norm_rescale"):
        dictionary = opened(FIXTURES / name)
        with pytest.raises(DictionaryError, match="since it normalises every input: pass x as well"):
            dictionary.decode(dictionary.encode(torch.ones(1, WIDTH)), 1)
    skip = opened(FIXTURES / "saelens_skip_transcoder", "@mlp_in.1:mlp_out.1")
    with pytest.raises(DictionaryError, match="since it has a connection past its features: pass x as well"):
        skip.decode(skip.encode(torch.ones(1, WIDTH)), 1)


def test_a_scale_is_what_the_output_is_multiplied_by() -> None:
    x = torch.randn(5, WIDTH, generator=torch.Generator().manual_seed(0))
    assert torch.equal(opened(FIXTURES / "saelens_standard").scale(x), torch.ones(5))
    normed = opened(FIXTURES / "saelens_standard_layer_norm").scale(x)
    torch.testing.assert_close(normed, x.std(1))
    rescaled = opened(FIXTURES / "saelens_standard_constant_norm_rescale").scale(x)
    torch.testing.assert_close(rescaled, x.norm(dim=1) / WIDTH**0.5)


# Bad input.


@pytest.mark.parametrize(
    ("file", "says"),
    [("cfg.json", "is missing: copy it beside the weights"), ("sae_weights.safetensors", "is missing: copy it there")],
)
def test_half_a_copy(folder: Path, file: str, says: str) -> None:
    (folder / file).unlink()
    assert f"{folder / file} {says}" in refusal(folder)


@pytest.mark.parametrize(
    ("text", "says"),
    [("{", "is no JSON"), ("[]", "holds no JSON object"), ("{}", "d_in is None"), ("\udc80", "is no JSON")],
)
def test_a_broken_config(folder: Path, text: str, says: str) -> None:
    (folder / "cfg.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert says in refusal(folder)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"architecture": "temporal"},
            "architecture 'temporal' is not read; those that are: standard, gated, topk, jumprelu,",
        ),
        ({"architecture": None}, "architecture None is not read"),
        ({"architecture": ["topk"]}, "is not read"),
        ({"normalize_activations": "covariance_whitening"}, "normalize_activations 'covariance_whitening' is not read"),
        ({"reshape_activations": "flat"}, "reshape_activations 'flat' is not read; those that are: none, hook_z"),
        ({"metadata": None, "activation_fn_str": "tanh-relu"}, "activation_fn_str 'tanh-relu' is not read"),
        ({"architecture": "topk"}, "k from 1 to 20, found None"),
        ({"architecture": "topk", "k": 0}, "k from 1 to 20, found 0"),
        ({"architecture": "topk", "k": 21}, "k from 1 to 20, found 21"),
        ({"architecture": "topk", "k": "5"}, "k from 1 to 20, found '5'"),
        ({"architecture": "standard"}, "holds threshold, for which its format has no use"),
        (
            {"architecture": "jumprelu_transcoder", "d_out": 8},
            "apply_b_dec_to_input is true, but b_dec of a transcoder",
        ),
        ({"architecture": "jumprelu_transcoder"}, "d_out is None, expected a whole number from 1"),
        ({"d_in": 9}, "b_dec has shape (8,), expected (9,)"),
        ({"d_sae": None}, "d_sae is None, expected a whole number from 1"),
        ({"finetuning_scaling_factor": True}, "lacks scaling_factor of shape (20,), which cfg.json announces"),
        ({"metadata": {"hook_name": "blocks.1.hook_nothing"}}, "'blocks.1.hook_nothing' is no site that is read"),
        ({"metadata": {"hook_name": "xblocks.1.hook_resid_post"}}, "is no site that is read"),
        (
            {"metadata": {"hook_name": "blocks.1.attn.hook_z", "hook_head_index": 3}},
            "'blocks.1.attn.hook_z' of head 3 is no site that is read: add one to the name, such as @resid_post.3",
        ),
        ({"metadata": {}}, "hook_name None is no site that is read"),
        ({"metadata": None}, "hook_name None"),
    ],
)
def test_settings_that_are_not_read(folder: Path, settings: dict[str, Any], says: str) -> None:
    change_config(folder, **settings)
    assert says in refusal(folder)
