"""Weights that are missing, cut off, misshapen or dangerous are refused in one line that says what is wrong and where."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor

from autointerp.dictionaries import open_dictionary
from autointerp.errors import DictionaryError
from autointerp.records import SiteKind
from tests.dictionaries.toys import FIXTURES, FORMATS, WIDTH, Toy, copied, opened

_WEIGHTS = (".safetensors", ".npz", ".pt", ".pth")


def weight_files(folder: Path) -> list[Path]:
    """The weights of a fixture that opening it for layer 0 reads."""
    found = sorted(p for p in folder.rglob("*") if p.suffix in _WEIGHTS and p.name != "io.npz")
    return [p for p in found if folder.name[:3] != "ct_" or p.stem.endswith("_0")]


def tensors(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        return load_file(path)
    if path.suffix == ".npz":
        return {key: torch.from_numpy(values) for key, values in np.load(path).items()}
    found: dict[str, Tensor] = torch.load(path, weights_only=True)
    return found


def rewrite(path: Path, change: Callable[[dict[str, Tensor]], Any]) -> None:
    weights = tensors(path)
    change(weights)
    weights = {key: weight.contiguous() for key, weight in weights.items()}
    if path.suffix == ".safetensors":
        save_file(weights, path)
    elif path.suffix == ".npz":
        np.savez(path, **{key: weight.numpy() for key, weight in weights.items()})
    else:
        torch.save(weights, path)


def needed(name: str, key: str) -> bool:
    """A threshold that makes a ReLU a JumpReLU may be left out of some files, and one class ignores its own."""
    may_miss = ("threshold_0", "activation_function.threshold", "W_skip", "affine_skip_connection")
    keeps = name.startswith(("ct_", "gemma_scope_2")) and key in may_miss
    return not keeps and (name, key) != ("dl_topk", "threshold")


KEYS = [
    (name, path.relative_to(FIXTURES / name), key)
    for name in FORMATS
    for path in weight_files(FIXTURES / name)
    for key in tensors(path)
]


def refusal(name: str, path: Path, *, subject: Toy | None = None) -> str:
    with pytest.raises(DictionaryError) as caught:
        opened(name, path, subject=subject)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500
    return message


def changed(name: str, file: Path, tmp_path: Path, change: Callable[[dict[str, Tensor]], Any]) -> tuple[Path, Path]:
    """A copy with other weights: the path that is opened and the file."""
    path = copied(name, tmp_path)
    damaged = tmp_path / name / file
    rewrite(damaged, change)
    return path, damaged


def test_every_format_has_weights_to_damage() -> None:
    assert {name for name, _, _ in KEYS} == set(FORMATS)


@pytest.mark.parametrize(("name", "file", "key"), [case for case in KEYS if needed(case[0], case[2])])
def test_a_missing_key_is_named_with_its_shape(name: str, file: Path, key: str, tmp_path: Path) -> None:
    path, damaged = changed(name, file, tmp_path, lambda weights: weights.pop(key))
    message = refusal(name, path)
    assert str(damaged) in message
    assert "lacks" in message
    # SAELens' finetuned files have two spellings of this key.
    assert key in message


@pytest.mark.parametrize(
    ("name", "file", "key"), [case for case in KEYS if len(tensors(FIXTURES / case[0] / case[1])[case[2]].shape) >= 2]
)
def test_a_transposed_matrix_is_named_with_both_shapes(name: str, file: Path, key: str, tmp_path: Path) -> None:
    before = tensors(FIXTURES / name / file)[key]
    if before.shape[0] == before.shape[-1]:
        pytest.skip("a square matrix looks the same the other way round")
    path, damaged = changed(name, file, tmp_path, lambda weights: weights.update({key: weights[key].transpose(0, -1)}))
    message = refusal(name, path)
    turned = tuple(before.transpose(0, -1).shape)
    assert f"{damaged}: {key} has shape {turned}, expected (" in message


@pytest.mark.parametrize(("name", "file", "key"), [case for case in KEYS if case[2] not in ("k", "group_sizes")])
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_found(name: str, file: Path, key: str, number: float, tmp_path: Path) -> None:
    if (name, key) == ("dl_batch_topk", "k"):
        pytest.skip("a count")
    path, damaged = changed(name, file, tmp_path, lambda weights: weights[key].view(-1)[-1:].fill_(number))
    assert f"{damaged}: {key} holds a number that is not finite" in refusal(name, path)


@pytest.mark.parametrize("name", FORMATS)
def test_a_key_of_no_use_is_named(name: str, tmp_path: Path) -> None:
    file = weight_files(FIXTURES / name)[0].relative_to(FIXTURES / name)
    path, damaged = changed(name, file, tmp_path, lambda weights: weights.update({"W_extra": torch.ones(2)}))
    assert f"{damaged} holds W_extra, for which its format has no use" in refusal(name, path)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.999])
def test_truncated_weights(name: str, part: float, tmp_path: Path) -> None:
    path = copied(name, tmp_path)
    for file in weight_files(tmp_path / name):
        whole = file.read_bytes()
        file.write_bytes(whole[: int(len(whole) * part)])
        assert str(file) in (message := refusal(name, path))
        assert "cut off" in message
        file.write_bytes(whole)
    opened(name, path)


@pytest.mark.parametrize("name", FORMATS)
def test_missing_files(name: str, tmp_path: Path) -> None:
    path = copied(name, tmp_path)
    used = weight_files(tmp_path / name)
    if name.startswith(("saelens", "sparsify", "dl_", "llama")):
        used += list((tmp_path / name).rglob("*.json"))
    for file in used:
        whole = file.read_bytes()
        file.unlink()
        if path.exists():
            message = refusal(name, path)
            assert "missing" in message or "in none of the formats" in message or "N being one of" in message
        file.write_bytes(whole)
    opened(name, path)


@pytest.mark.parametrize("name", FORMATS)
def test_another_width_names_both_widths_and_both_sites(name: str) -> None:
    here = opened(name)
    with pytest.raises(DictionaryError) as caught:
        opened(name, subject=Toy(width=12))
    message = str(caught.value)
    read = f"reads {here.input_site} of width {WIDTH} and writes {here.output_site} of width {here.output_width}"
    assert f"{read}, but toy is 12 and 12 wide there" in message


def test_only_the_output_is_of_another_width() -> None:
    with pytest.raises(DictionaryError, match=r"writes mlp_out.3 of width 6, but toy is 8 and 8 wide there"):
        opened("saelens_transcoder_dout6", subject=Toy())


@pytest.mark.parametrize("name", FORMATS)
def test_a_layer_that_the_model_does_not_have(name: str) -> None:
    top = max(site.layer for site in opened(name).output_sites)
    if top == 0:
        assert opened(name, subject=Toy(layers=1)).output_site.layer == 0
        return
    with pytest.raises(DictionaryError, match=rf"\.{top}, but toy has layers 0 to {top - 1}"):
        opened(name, subject=Toy(layers=top))


def test_a_site_that_the_model_does_not_have() -> None:
    lacking = Toy(absent=frozenset({SiteKind.RESID_POST}))
    with pytest.raises(DictionaryError, match=r"is for resid_post.0, and toy has no site resid_post"):
        opened("saelens_standard", subject=lacking)


class Malice:
    """What a pickle can do to whoever opens it."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.witness),)


@pytest.mark.parametrize("name", ["goodfire", *(name for name in FORMATS if name.startswith("dl_"))])
@pytest.mark.parametrize("plain", [False, True], ids=["torch", "pickle"])
def test_a_pickle_with_code_is_not_run(name: str, plain: bool, tmp_path: Path) -> None:
    path = copied(name, tmp_path)
    (file,) = weight_files(tmp_path / name)
    witness = tmp_path / "it ran"
    weights = {**tensors(file), "payload": Malice(witness)}
    if plain:
        file.write_bytes(pickle.dumps(weights, protocol=2))
    else:
        torch.save(weights, file)
    message = refusal(name, path)
    assert str(file) in message
    assert "pickle with code in it" in message
    assert not witness.exists()


def test_a_whole_module_in_a_pickle_is_not_opened(tmp_path: Path) -> None:
    path = copied("goodfire", tmp_path)
    torch.save(torch.nn.Linear(2, 2), path)
    assert "pickle with code in it (torch.nn.modules.linear.Linear)" in refusal("goodfire", path)


@pytest.mark.parametrize(("content", "says"), [([1, 2], "holds list"), ({"a": {"b": 1}}, "a holds dict")])
def test_a_pickle_of_something_else(content: object, says: str, tmp_path: Path) -> None:
    path = copied("goodfire", tmp_path)
    torch.save(content, path)
    assert says in refusal("goodfire", path)


def test_an_old_torch_file_is_read(tmp_path: Path) -> None:
    path = copied("goodfire", tmp_path)
    torch.save(tensors(path), path, _use_new_zipfile_serialization=False)
    assert torch.equal(opened("goodfire", path).directions(), opened("goodfire").directions())


def test_numpy_objects_are_a_pickle(tmp_path: Path) -> None:
    path = copied("gemma_scope_sae", tmp_path)
    file = path / "params.npz"
    arrays: dict[str, Any] = {key: values.numpy() for key, values in tensors(file).items()}
    witness = tmp_path / "it ran"
    np.savez(file, **{**arrays, "b_dec": np.array([Malice(witness)], dtype=object)}, allow_pickle=True)
    assert f"{file}: b_dec is a pickle of Python objects" in refusal("gemma_scope_sae", path)
    np.save(tmp_path / "rows.npy", np.array([[Malice(witness)]], dtype=object), allow_pickle=True)
    with pytest.raises(DictionaryError, match=r"rows is a pickle of Python objects"):
        open_dictionary(f"{tmp_path / 'rows.npy'}@resid_post.1", Toy())
    assert not witness.exists()


@pytest.mark.parametrize("save", [np.savez_compressed, np.savez], ids=["compressed", "plain"])
@pytest.mark.parametrize("kind", ["<f4", ">f4", "<f8", "fortran"])
def test_every_kind_of_numpy_archive(save: Callable[..., None], kind: str, tmp_path: Path) -> None:
    path = copied("gemma_scope_sae", tmp_path)
    arrays = {key: values.numpy() for key, values in tensors(path / "params.npz").items()}
    make = np.asfortranarray if kind == "fortran" else lambda values: values.astype(kind)
    save(path / "params.npz", **{key: make(values) for key, values in arrays.items()})
    before, after = opened("gemma_scope_sae"), opened("gemma_scope_sae", path)
    x = torch.randn(20, WIDTH, generator=torch.Generator().manual_seed(0))
    assert torch.equal(after.encode_one(x, 5), before.encode_one(x, 5))
    assert torch.equal(after.directions(), before.directions())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn])
def test_every_precision_is_read_as_float32(dtype: torch.dtype, tmp_path: Path) -> None:
    path = copied("saelens_standard", tmp_path)
    file = path / "sae_weights.safetensors"
    cast = {key: values.to(dtype) for key, values in tensors(file).items()}
    rewrite(file, lambda weights: weights.update(cast))
    dictionary = opened("saelens_standard", path)
    assert torch.equal(dictionary.directions(), cast["W_dec"].float())
    assert torch.equal(opened("saelens_standard", path).direction(3), cast["W_dec"][3].float())
    x = torch.randn(20, WIDTH, generator=torch.Generator().manual_seed(0))
    acts = dictionary.encode(x.bfloat16())
    assert acts.values.dtype == torch.float32
    by_hand = (x.bfloat16().float() - cast["b_dec"].float()) @ cast["W_enc"].float() + cast["b_enc"].float()
    torch.testing.assert_close(acts.values, by_hand[by_hand > 0], rtol=1e-5, atol=1e-5)


def test_a_circuit_tracer_threshold_below_zero_is_refused(tmp_path: Path) -> None:
    """There an activation could be negative."""
    for name, file, key in (
        ("ct_clt_jumprelu", "W_enc_0.safetensors", "threshold_0"),
        ("ct_plt_jumprelu", "layer_0.safetensors", "activation_function.threshold"),
    ):
        path, damaged = changed(name, Path(file), tmp_path, lambda weights, key=key: weights[key][3:4].fill_(-0.5))
        assert f"{damaged}: {key} goes down to -0.5, expected none below 0" in refusal(name, path)


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("damaged")
    return {name: copied(name, folder) for name in FORMATS}


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_wrong_with_a_file_is_said(copies: dict[str, Path], data: st.DataObject) -> None:
    """Bytes changed anywhere, in weights or configurations, give other numbers or one line."""
    name = data.draw(st.sampled_from(list(FORMATS)))
    path = copies[name]
    root = next(parent for parent in (path, *path.parents) if parent.name == name)
    used = weight_files(root) + [p for p in sorted(root.rglob("*")) if p.suffix in (".json", ".yaml")]
    file = data.draw(st.sampled_from(used))
    whole = file.read_bytes()
    changed = bytearray(whole)
    edges = st.one_of(st.integers(0, min(300, len(whole) - 1)), st.integers(0, len(whole) - 1))
    for place in data.draw(st.lists(edges, min_size=1, max_size=4)):
        changed[place] = data.draw(st.integers(0, 255))
    file.write_bytes(changed)
    said = ""
    try:
        opened(name, path).encode(torch.ones(2, WIDTH))
    except DictionaryError as error:
        said = str(error)
    finally:
        file.write_bytes(whole)
    assert "\n" not in said


def test_layers_of_different_files_that_do_not_go_together(tmp_path: Path) -> None:
    path = copied("ct_clt_relu", tmp_path)
    rewrite(path / "W_dec_0.safetensors", lambda w: w.update(W_dec_0=w["W_dec_0"][:, :, :6]))
    assert "W_dec_0 has shape (32, 3, 6), expected (32, layers from here on, 8)" in refusal("ct_clt_relu", path)
