"""Gemma Scope: sites from paths, the norm in front of the MLP, and the stacked cross-layer transcoders of the second suite."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from autointerp.dictionaries import CrossLayer, open_cross_layer, open_dictionary
from autointerp.errors import DictionaryError
from tests.dictionaries.toys import FIXTURES, SIZE, WIDTH, Toy, copied, dense, expected, nothing, opened

SAE = FIXTURES / "gemma_scope_sae" / "layer_3"


@pytest.mark.parametrize(
    ("repository", "inside", "sites"),
    [
        ("gemma-scope-2b-pt-res", "layer_3/width_16k/average_l0_10", ("resid_post.3", "resid_post.3")),
        ("gemma-scope-9b-it-res", "layer_20/width_16k/average_l0_10", ("resid_post.20", "resid_post.20")),
        ("gemma-scope-2b-pt-mlp", "layer_1/width_16k/average_l0_10", ("mlp_out.1", "mlp_out.1")),
        ("gemma-scope-2b-pt-att", "layer_10/width_16k/average_l0_10", ("head_out.10", "head_out.10")),
        ("gemma-scope-2b-pt-transcoders", "layer_3/width_16k/average_l0_10", ("mlp_in.3", "mlp_out.3")),
        ("models--google--gemma-scope-2b-pt-res/snapshots/0a", "layer_3/width_16k/average_l0_1", ("resid_post.3",) * 2),
        ("gemma-scope-2b-pt-res", "embedding/width_4k/average_l0_6", ("embed.0", "embed.0")),
        ("mine", "layer_3/width_16k/average_l0_10", None),
        ("gemma-scope-2b-pt-res", "somewhere", None),
    ],
)
def test_the_path_names_the_site(repository: str, inside: str, sites: tuple[str, str] | None, tmp_path: Path) -> None:
    folder = tmp_path / repository / inside
    shutil.copytree(SAE / "width_16k" / "average_l0_10", folder)
    if sites is None:
        with pytest.raises(
            DictionaryError, match="does not say which site it is for: add it to the name, @resid_post for a"
        ):
            open_dictionary(str(folder), Toy())
        assert str(open_dictionary(f"{folder}@resid_post.7", Toy()).input_site) == "resid_post.7"
        return
    for path in (folder, folder / "params.npz"):
        dictionary = open_dictionary(str(path), Toy())
        assert (str(dictionary.input_site), str(dictionary.output_site)) == sites


def gemma() -> Any:
    """A tiny random Gemma 2, whose norms multiply by something else than one."""
    from transformers import Gemma2Config, Gemma2ForCausalLM

    torch.manual_seed(0)
    config = Gemma2Config(
        vocab_size=20,
        hidden_size=WIDTH,
        intermediate_size=12,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=4,
        max_position_embeddings=16,
        attn_implementation="eager",
    )
    model = Gemma2ForCausalLM(config).eval()
    for block in model.model.layers:
        torch.nn.init.normal_(block.pre_feedforward_layernorm.weight)
    return model


@pytest.mark.parametrize(
    "name",
    ["gemma_scope:{}@mlp_in.1:mlp_out.1", "circuit_tracer_plt:{}#layer=1"],
    ids=["gemma_scope", "circuit_tracer"],
)
def test_transcoders_read_what_is_normalised_but_not_multiplied_by_the_gain(name: str) -> None:
    """Both suites were trained before the gain (appendix of Lieberum et al. 2024), and the MLP is given what is behind it."""
    model = gemma()
    seen: dict[str, Tensor] = {}
    norm = model.model.layers[1].pre_feedforward_layernorm
    norm.register_forward_hook(lambda module, given, got: seen.update(before=given[0], after=got))
    with torch.no_grad():
        model(torch.arange(10)[None])
    before, mlp_in = seen["before"][0], seen["after"][0]
    normalised = before * torch.rsqrt(before.pow(2).mean(-1, keepdim=True) + model.config.rms_norm_eps)
    assert not torch.allclose(normalised, mlp_in, atol=0.1)

    fixture = "gemma_scope_transcoder" if name.startswith("gemma") else "ct_plt_skip"
    inside = "layer_3/width_16k/average_l0_10" if name.startswith("gemma") else ""
    place = name.format(FIXTURES / fixture / inside)
    on_gemma, on_toy = open_dictionary(place, Toy(module=model)), open_dictionary(place, Toy())
    wanted, found = on_toy.encode(normalised), on_gemma.encode(mlp_in)
    torch.testing.assert_close(dense(found, 10, SIZE), dense(wanted, 10, SIZE), rtol=1e-4, atol=1e-4)
    assert len(found.rows) > 10
    torch.testing.assert_close(
        on_gemma.decode(found, 10, mlp_in), on_toy.decode(wanted, 10, normalised), rtol=1e-4, atol=1e-4
    )
    for feature in (0, 9):
        alone = on_gemma.encode_one(mlp_in, feature)
        torch.testing.assert_close(alone, dense(wanted, 10, SIZE)[:, feature], rtol=1e-4, atol=1e-4)


# Gemma Scope 2.

INSIDE = "transcoder/layer_3_width_16k_l0_small_affine"


def test_the_configuration_names_the_sites(tmp_path: Path) -> None:
    dictionary = opened("gemma_scope_2_transcoder_affine")
    assert (str(dictionary.input_site), str(dictionary.output_site)) == ("mlp_in.3", "mlp_out.3")
    folder = copied("gemma_scope_2_transcoder_affine", tmp_path)
    config = json.loads((folder / "config.json").read_text())
    for read, site in (("output", "resid_post.3"), ("self_attn.o_proj.input", "head_out.3")):
        config |= {"hf_hook_point_in": f"model.layers.3.{read}", "hf_hook_point_out": None}
        (folder / "config.json").write_text(json.dumps(config))
        assert str(open_dictionary(str(folder), Toy()).input_site) == site
    (folder / "config.json").unlink()
    with pytest.raises(
        DictionaryError, match="is missing or names no site that is read: add it to the name, such as @mlp_in:"
    ):
        open_dictionary(str(folder), Toy())
    assert str(open_dictionary(f"{folder}@mlp_in:mlp_out", Toy()).input_site) == "mlp_in.3"
    assert open_dictionary(f"{folder / 'params.safetensors'}@mlp_in:mlp_out", Toy()).size == SIZE


LAYERS = 3


@pytest.fixture
def stacked(tmp_path: Path) -> tuple[Path, dict[str, Tensor]]:
    """A random stacked cross-layer transcoder. What it has for earlier layers than a feature's own is not used."""
    generator = torch.Generator().manual_seed(0)
    weights = {
        "w_enc": torch.randn(LAYERS, WIDTH, SIZE, generator=generator),
        "w_dec": torch.randn(LAYERS, SIZE, LAYERS, WIDTH, generator=generator),
        "b_enc": torch.randn(LAYERS, SIZE, generator=generator),
        "b_dec": torch.randn(LAYERS, WIDTH, generator=generator),
        "threshold": torch.rand(LAYERS, SIZE, generator=generator),
        "affine_skip_connection": torch.randn(LAYERS, WIDTH, WIDTH, generator=generator),
    }
    folder = tmp_path / "clt" / "width_16k_l0_small"
    folder.mkdir(parents=True)
    save_file(weights, folder / "params.safetensors")
    hooks = {
        "hf_hook_point_in": "model.layers.0.pre_feedforward_layernorm.output",
        "hf_hook_point_out": "model.layers.0.post_feedforward_layernorm.output",
    }
    (folder / "config.json").write_text(json.dumps(hooks))
    return folder, weights


def test_a_stacked_cross_layer_transcoder(stacked: tuple[Path, dict[str, Tensor]]) -> None:
    """Against the sums written out, as circuit-tracer 0.5 takes these files."""
    folder, w = stacked
    x = torch.randn(LAYERS, 20, WIDTH, generator=torch.Generator().manual_seed(1))
    pre = torch.einsum("lnd,ldf->lnf", x, w["w_enc"]) + w["b_enc"][:, None]
    features = pre * (pre > w["threshold"][:, None])
    out = w["b_dec"][:, None] + torch.einsum("lnd,ldo->lno", x, w["affine_skip_connection"])
    for target in range(LAYERS):
        for source in range(target + 1):
            out[target] += features[source] @ w["w_dec"][source, :, target]

    whole = open_cross_layer(str(folder), Toy())
    acts = whole.encode(x)
    torch.testing.assert_close(torch.stack([dense(part, 20, SIZE) for part in acts]), features, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(whole.decode(acts, 20, x), out, rtol=1e-5, atol=1e-4)
    with pytest.raises(DictionaryError, match="pass x as well"):
        whole.decode(acts, 20)

    second = open_dictionary(f"{folder}#layer=1", Toy())
    assert isinstance(second, CrossLayer)
    assert (str(second.input_site), [str(s) for s in second.output_sites]) == ("mlp_in.1", ["mlp_out.1", "mlp_out.2"])
    torch.testing.assert_close(second.encode_one(x[1], 5), features[1, :, 5], rtol=1e-5, atol=1e-5)
    for site, vector in second.writes(5).items():
        assert torch.equal(vector, w["w_dec"][1, 5, site.layer])
        assert torch.equal(second.directions_at(site), w["w_dec"][1, :, site.layer])
    assert torch.equal(second.direction(5), w["w_dec"][1, 5, 1])
    assert second.decode(nothing(), 20, x[1]).shape == (20, WIDTH)


@pytest.mark.parametrize("suffix", ["", "#layer=3"])
def test_a_stack_is_opened_by_layer(suffix: str, stacked: tuple[Path, dict[str, Tensor]]) -> None:
    with pytest.raises(
        DictionaryError, match="is a cross-layer transcoder: add one of its layers, #layer=0 to #layer=2"
    ):
        open_dictionary(f"{stacked[0]}{suffix}", Toy())


def test_fixture_inputs_are_what_the_transcoder_itself_reads() -> None:
    """With no norm to look at, the input is taken as it is."""
    wanted = expected("gemma_scope_transcoder")
    found = opened("gemma_scope_transcoder").encode(wanted["x"])
    torch.testing.assert_close(dense(found, 64, SIZE), wanted["features"], rtol=1e-5, atol=1e-5)
