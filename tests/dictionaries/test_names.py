"""From a name to a format, a place and the sites."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from autointerp.dictionaries import CrossLayer, DictionaryFormat, absolute_name, open_cross_layer, open_dictionary
from autointerp.errors import DictionaryError, PluginError
from autointerp.models import Subject
from tests.dictionaries.toys import CROSS_LAYER, FIXTURES, FORMATS, Toy, copied, opened
from tests.registering import Register

FORMAT_OF = {
    "ct_clt": "circuit_tracer_clt",
    "ct_plt": "circuit_tracer_plt",
    "dl": "dictionary_learning",
    "gemma_scope_2": "gemma_scope_2",
    "gemma_scope_sae": "gemma_scope",
    "gemma_scope_transcoder": "gemma_scope",
    "goodfire": "goodfire",
    "llama_scope": "llama_scope",
    "saelens": "sae_lens",
    "sparsify": "sparsify",
}


def refusal(name: str, subject: Toy | None = None) -> str:
    with pytest.raises(DictionaryError) as caught:
        open_dictionary(name, subject or Toy())
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_recognised_by_its_files_or_said(name: str) -> None:
    inside, behind = FORMATS[name]
    layer = "#layer=0" if name.startswith("ct_") else ""
    place = f"{FIXTURES / name / inside}{layer}{behind}"
    subject = Toy() if not name.endswith("dout6") else Toy(widths={"mlp_out": 6})  # type: ignore[dict-item]
    said = next(label for prefix, label in FORMAT_OF.items() if name.startswith(prefix))
    found = [open_dictionary(f"{scheme}{place}", subject) for scheme in ("", "file:", f"{said}:")]
    assert len({dictionary.fingerprint for dictionary in found}) == 1
    assert [dictionary.name for dictionary in found] == [place, f"file:{place}", f"{said}:{place}"]


def test_no_two_formats_of_a_fixture_have_one_fingerprint() -> None:
    assert len({opened(name).fingerprint for name in FORMATS}) == len(FORMATS)


def test_the_bundled_dictionary_fits_the_bundled_model() -> None:
    subject = Subject.load("pystdlib")
    dictionary = open_dictionary("pystdlib-sae", subject)
    assert (dictionary.name, dictionary.width, str(dictionary.input_site)) == ("pystdlib-sae", 256, "resid_post.2")


def test_nothing_is_there(tmp_path: Path) -> None:
    message = refusal(f"file:{tmp_path / 'nothing'}")
    assert f"no dictionary at file:{tmp_path / 'nothing'}: give 'pystdlib-sae', file:PATH, or FORMAT:PLACE" in message
    for label in (*FORMAT_OF.values(), "neurons", "heads", "pca", "directions"):
        assert label in message


def test_a_folder_of_something_else_lists_the_formats(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").touch()
    message = refusal(str(tmp_path))
    assert f"{tmp_path} is in none of the formats that can be read: circuit_tracer_clt," in message


def test_a_format_that_does_not_exist() -> None:
    message = refusal("sae_lenz:org/repo")
    assert "there is no format 'sae_lenz': there are file, circuit_tracer_clt, " in message


def test_a_folder_that_could_be_two_things(tmp_path: Path) -> None:
    for name in ("saelens_standard", "gemma_scope_sae/layer_3/width_16k/average_l0_10"):
        shutil.copytree(FIXTURES / name, tmp_path, dirs_exist_ok=True)
    message = refusal(f"{tmp_path}@resid_post.3")
    assert f"could be gemma_scope or sae_lens: say which, as in gemma_scope:{tmp_path}" in message
    assert open_dictionary(f"gemma_scope:{tmp_path}@resid_post.3", Toy()).size == 32


def test_a_path_may_hold_what_looks_like_a_suffix(tmp_path: Path) -> None:
    folder = tmp_path / "a#layer=3@resid_post.1"
    shutil.copytree(FIXTURES / "saelens_standard", folder)
    assert str(open_dictionary(str(folder), Toy()).input_site) == "resid_post.0"
    assert str(open_dictionary(f"{folder}@mlp_out.4", Toy()).input_site) == "mlp_out.4"


@pytest.mark.parametrize(
    "name", ["{}", "file:{}", "circuit_tracer_clt:{}", "{}#layer=1@mlp_in.1:mlp_out.1", "file:{}@mlp_out"]
)
def test_a_name_for_another_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path)
    assert absolute_name(name.format("a")) == name.format(tmp_path / "a")
    assert absolute_name(name.format("b")) == name.format("b")


@pytest.mark.parametrize("name", ["pystdlib-sae", "neurons:mlp.3", "sparsify:org/repo/layers.8@resid_post.8"])
def test_what_is_no_path_is_the_same_everywhere(name: str) -> None:
    assert absolute_name(name) == name


def test_a_home_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied("saelens_standard", tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_dictionary("file:~/saelens_standard", Toy()).size == 32


@pytest.mark.parametrize("name", ["ct_plt_relu", *CROSS_LAYER])
def test_one_of_several_layers_is_chosen_by_name(name: str) -> None:
    path = FIXTURES / name
    assert "#layer=N to the name, N being one of 0, 1, 2" in refusal(f"{path}@mlp_in:mlp_out")
    assert "N being one of 0, 1, 2" in refusal(f"{path}#layer=3@mlp_in:mlp_out")
    assert "layer 'x' is no number: write for example #layer=3" in refusal(f"{path}#layer=x@mlp_in:mlp_out")
    third = open_dictionary(f"{path}#layer=2@mlp_in:mlp_out", Toy())
    assert (str(third.input_site), [str(s) for s in third.output_sites]) == ("mlp_in.2", ["mlp_out.2"])


def test_a_file_of_a_layer_may_be_named_itself() -> None:
    path = FIXTURES / "ct_plt_skip" / "layer_1.safetensors"
    dictionary = open_dictionary(str(path), Toy())
    assert str(dictionary.output_site) == "mlp_out.1"
    assert dictionary.fingerprint == opened("ct_plt_skip", layer=1).fingerprint


def test_layer_1_is_not_layer_10(tmp_path: Path) -> None:
    folder = copied("ct_plt_relu", tmp_path)
    (folder / "layer_1.safetensors").rename(folder / "layer_10.safetensors")
    assert "N being one of 0, 2, 10" in refusal(f"{folder}#layer=1")
    assert str(open_dictionary(f"{folder}#layer=10", Toy()).input_site) == "mlp_in.10"


def test_a_hook_that_is_no_site_asks_for_one(tmp_path: Path) -> None:
    folder = copied("ct_clt_relu", tmp_path)
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("hook_resid_mid", "hook_nowhere"))
    assert "names no sites that are read (feature_input_hook 'hook_nowhere')" in refusal(f"{folder}#layer=0")
    config.write_text("- a list")
    assert f"{config} holds no YAML object but list" in refusal(f"{folder}#layer=0@mlp_in:mlp_out")
    config.write_text("a: [")
    assert f"{config} is no YAML" in refusal(f"{folder}#layer=0@mlp_in:mlp_out")
    config.unlink()
    assert open_dictionary(f"{folder}#layer=0@mlp_in:mlp_out", Toy()).size == 32


def test_what_is_no_cross_layer_transcoder_does_not_open_as_one() -> None:
    with pytest.raises(DictionaryError, match=r"is no cross-layer transcoder: its features write to mlp_out.0 alone"):
        open_cross_layer(str(FIXTURES / "ct_plt_relu"), Toy())


def test_one_layer_needs_no_other_layers_files(tmp_path: Path) -> None:
    folder = copied("ct_clt_relu", tmp_path)
    for path in folder.glob("W_*_[02].safetensors"):
        path.unlink()
    dictionary = open_dictionary(f"{folder}#layer=1@mlp_in:mlp_out", Toy())
    assert isinstance(dictionary, CrossLayer)
    assert [str(site) for site in dictionary.output_sites] == ["mlp_out.1", "mlp_out.2"]
    with pytest.raises(DictionaryError, match=r"does not write to mlp_out.0: it writes to mlp_out.1, mlp_out.2"):
        dictionary.directions_at(opened("ct_clt_relu").output_site)


@pytest.mark.parametrize(
    ("hookpoint", "transcoder", "sites"),
    [
        ("layers.1", False, ("resid_post.1", "resid_post.1")),
        ("layers.10", False, ("resid_post.10", "resid_post.10")),
        ("h.3", False, ("resid_post.3", "resid_post.3")),
        ("layers.8.mlp", False, ("mlp_out.8", "mlp_out.8")),
        ("layers.8.mlp", True, ("mlp_in.8", "mlp_out.8")),
        ("h.8.attn", False, ("attn_out.8", "attn_out.8")),
        ("embed_tokens", False, ("embed.0", "embed.0")),
    ],
)
def test_sparsify_folders_are_named_after_their_hook_points(
    hookpoint: str, transcoder: bool, sites: tuple[str, str], tmp_path: Path
) -> None:
    fixture = FIXTURES / ("sparsify_transcoder" if transcoder else "sparsify_topk")
    dictionary = open_dictionary(str(shutil.copytree(fixture, tmp_path / hookpoint)), Toy())
    assert (str(dictionary.input_site), str(dictionary.output_site)) == sites


@pytest.mark.parametrize("hookpoint", ["layers.x", "layers.8.attention.o", "somewhere"])
def test_a_folder_that_is_no_hook_point(hookpoint: str, tmp_path: Path) -> None:
    folder = shutil.copytree(FIXTURES / "sparsify_topk", tmp_path / hookpoint)
    assert f"the folder's name, {hookpoint}, is no hook point that is read: add a site" in refusal(str(folder))


@pytest.mark.parametrize(
    ("submodule", "end", "sites"),
    [
        ("resid_post_layer_3", "out", ("resid_post.3", "resid_post.3")),
        ("resid_out_layer3", "out", ("resid_post.3", "resid_post.3")),
        ("mlp_layer_3", "in_and_out", ("mlp_in.3", "mlp_out.3")),
        ("attn_out_layer_3", "out", ("attn_out.3", "attn_out.3")),
        ("nothing_layer_3", "out", None),
        ("resid_post_layer_3", "in", None),
    ],
)
def test_dictionary_learning_says_what_it_was_trained_on(
    submodule: str, end: str, sites: tuple[str, str] | None, tmp_path: Path
) -> None:
    folder = copied("dl_gated", tmp_path)
    config = folder / "config.json"
    text = config.read_text().replace("resid_post_layer_3", submodule).replace('"io": "out"', f'"io": "{end}"')
    config.write_text(text)
    if sites is None:
        assert f"trainer.submodule_name '{submodule}' of layer 3 is no site that is read" in refusal(str(folder))
    else:
        dictionary = open_dictionary(str(folder), Toy())
        assert (str(dictionary.input_site), str(dictionary.output_site)) == sites


def test_dictionary_learning_classes_that_are_not_read(tmp_path: Path) -> None:
    folder = copied("dl_gated", tmp_path)
    config = folder / "config.json"
    config.write_text(config.read_text().replace("GatedAutoEncoder", "CrossCoder"))
    message = refusal(str(folder))
    assert "trainer.dict_class 'CrossCoder' is not read; those that are: AutoEncoder, AutoEncoderNew," in message


def test_goodfire_files_are_named_after_their_layer(tmp_path: Path) -> None:
    assert str(opened("goodfire").input_site) == "resid_post.19"
    path = copied("goodfire", tmp_path)
    assert open_dictionary(f"goodfire:{path.parent}", Toy()).fingerprint == opened("goodfire").fingerprint
    other = path.rename(path.with_name("mine.pth"))
    assert f"the name of {other} does not end in a layer, such as -l19" in refusal(str(other))
    assert str(open_dictionary(f"{other}@resid_pre.4", Toy()).input_site) == "resid_pre.4"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({'"jumprelu"': '"topk"'}, "act_fn 'topk' is not read; act_fn jumprelu and relu are"),
        ({"dataset-wise": "token-wise"}, "norm_activation 'token-wise' is not read"),
        (
            {'"jump_relu_threshold": 0.8': '"jump_relu_threshold": null'},
            "jump_relu_threshold is None, expected a positive",
        ),
        ({'"in": 3.7': '"in": 0'}, "dataset_average_activation_norm.in is 0, expected a positive number"),
        (
            {"hook_resid_post": "hook_there"},
            "hook_point_in 'blocks.3.hook_there' or hook_point_out 'blocks.3.hook_there'",
        ),
        ({'"d_sae": 32': '"d_sae": 31'}, "encoder.bias has shape (32,), expected (31,)"),
    ],
)
def test_llama_scope_settings_that_are_not_read(changes: dict[str, str], says: str, tmp_path: Path) -> None:
    folder = copied("llama_scope_v1", tmp_path)
    config = folder / "hyperparams.json"
    for old, new in changes.items():
        assert old in config.read_text()
        config.write_text(config.read_text().replace(old, new))
    assert says in refusal(str(folder))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {'"topk"': '"relu"'},
            "activation 'relu' with k 5 is not read; topk is, and groupmax with a k that divides 32",
        ),
        ({'"topk"': '"groupmax"'}, "activation 'groupmax' with k 5 is not read"),
        ({'"k": 5': '"k": 0'}, "k is 0, expected a whole number from 1"),
        ({'"k": 5': '"k": 33'}, "k is 33, expected a whole number from 1 to 32"),
        ({'"k": 5': '"k": 5, "signed": true'}, "signed activations are not read"),
        ({'"d_in": 8': '"d_in": 9'}, "b_dec has shape (8,), expected (9,)"),
    ],
)
def test_sparsify_settings_that_are_not_read(changes: dict[str, str], says: str, tmp_path: Path) -> None:
    folder = copied("sparsify_topk", tmp_path)
    config = folder / "cfg.json"
    for old, new in changes.items():
        assert old in config.read_text()
        config.write_text(config.read_text().replace(old, new))
    assert says in refusal(f"{folder}@resid_post.3")


def test_a_format_of_another_package_is_one_class(register: Register, tmp_path: Path) -> None:
    class Mine(DictionaryFormat):
        """Opens a file that says which neurons."""

        @staticmethod
        def recognises(path: Path) -> bool:
            return path.suffix == ".mine"

        @staticmethod
        def load(request):  # type: ignore[no-untyped-def]
            return open_dictionary(f"neurons:{request.files.read_text()}", request.subject)

    (tmp_path / "a.mine").write_text("mlp.3")
    register("autointerp.dictionaries", "mine", lambda: Mine)
    assert str(open_dictionary(str(tmp_path / "a.mine"), Toy()).input_site) == "mlp_hidden.3"
    assert torch.equal(open_dictionary(f"mine:{tmp_path / 'a.mine'}", Toy()).direction(0), torch.eye(8)[0])


def test_two_formats_of_one_name_are_an_error(register: Register) -> None:
    register("autointerp.dictionaries", "sae_lens", object)
    with pytest.raises(PluginError, match="two plugins call themselves 'sae_lens'"):
        open_dictionary("neurons:mlp.1", Toy())
