"""Every format computes what the library that wrote it computes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autointerp.dictionaries import Dictionary, Sparse, open_cross_layer
from tests.dictionaries.toys import (
    CROSS_LAYER,
    FIXTURES,
    FORMATS,
    LAYERED,
    SIZE,
    Toy,
    dense,
    expected,
    nothing,
    opened,
)

BOUND = 1e-5


def close(found: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(found, wanted, rtol=BOUND, atol=BOUND)


def layers_of(name: str) -> list[tuple[Dictionary, dict[str, Tensor]]]:
    """Each layer's dictionary with what it should compute; a single one where a format has no layers."""
    wanted = expected(name)
    if name not in LAYERED:
        return [(opened(name), wanted)]
    count = len(wanted["x"])
    return [(opened(name, layer=i), {key: values[i] for key, values in wanted.items()}) for i in range(count)]


def test_no_fixture_is_left_out() -> None:
    assert {path.name for path in FIXTURES.iterdir() if path.is_dir()} == set(FORMATS)
    assert len(FORMATS) == 52


@pytest.mark.parametrize("name", FORMATS)
def test_activations_are_those_of_the_original(name: str) -> None:
    for dictionary, wanted in layers_of(name):
        x = wanted["x"]
        assert dictionary.size == SIZE
        close(dense(dictionary.encode(x), len(x), SIZE), wanted["features"])
        assert (wanted["features"] > 0).any(0).sum() > 5


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in CROSS_LAYER])
def test_reconstruction_is_that_of_the_original(name: str) -> None:
    for dictionary, wanted in layers_of(name):
        x = wanted["x"]
        close(dictionary.decode(dictionary.encode(x), len(x), x), wanted["reconstruction"])


@pytest.mark.parametrize("name", CROSS_LAYER)
def test_a_whole_cross_layer_transcoder_reconstructs_every_layer(name: str) -> None:
    wanted = expected(name)
    whole = open_cross_layer(f"file:{FIXTURES / name}@mlp_in:mlp_out", Toy())
    acts = whole.encode(wanted["x"])
    close(torch.stack([dense(part, 64, SIZE) for part in acts]), wanted["features"])
    close(whole.decode(acts, 64, wanted["x"]), wanted["reconstruction"])
    assert whole.decode([nothing()] * 3, 0).shape == (3, 0, 8)


@pytest.mark.parametrize("name", FORMATS)
def test_one_feature_is_a_column_of_all(name: str) -> None:
    for fresh, wanted in layers_of(name):
        x = wanted["x"]
        alone = torch.stack([fresh.encode_one(x, feature) for feature in range(SIZE)], 1)
        whole = dense(fresh.encode(x), len(x), SIZE)
        torch.testing.assert_close(alone, whole, rtol=1e-6, atol=1e-6)
        again = torch.stack([fresh.encode_one(x, feature) for feature in range(SIZE)], 1)
        torch.testing.assert_close(again, whole, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(fresh.encode_one(x.view(4, -1, x.shape[1]), 3), whole[:, 3].view(4, -1))


@pytest.mark.parametrize("name", FORMATS)
def test_activations_are_sorted_by_row_positive_and_found_once(name: str) -> None:
    for dictionary, wanted in layers_of(name):
        acts = dictionary.encode(wanted["x"])
        assert (acts.values > 0).all()
        assert (acts.rows.diff() >= 0).all()
        assert len(set(zip(acts.rows.tolist(), acts.features.tolist(), strict=True))) == len(acts.rows)


@pytest.mark.parametrize("name", FORMATS)
def test_directions_are_what_a_unit_of_activation_writes(name: str) -> None:
    for dictionary, wanted in layers_of(name):
        x = wanted["x"][:4]
        rest = dictionary.decode(nothing(), 4, x)
        for feature in (0, 7, 31):
            one = Sparse(torch.arange(4), torch.full((4,), feature), torch.full((4,), 2.0))
            written = (dictionary.decode(one, 4, x) - rest) / (2 * dictionary.scale(x)[:, None])
            torch.testing.assert_close(written, dictionary.direction(feature).expand(4, -1), rtol=1e-4, atol=1e-5)
            assert torch.equal(dictionary.directions()[feature], dictionary.direction(feature))
        torch.testing.assert_close(opened_again(name, dictionary).direction(7), dictionary.directions(7, 8)[0])


def opened_again(name: str, dictionary: Dictionary) -> Dictionary:
    """The same, with nothing read yet."""
    return opened(name, layer=dictionary.input_site.layer if name in LAYERED else 0)


@pytest.mark.parametrize("name", CROSS_LAYER)
def test_features_of_a_cross_layer_transcoder_write_to_every_later_layer(name: str) -> None:
    wanted = expected(name)
    whole = open_cross_layer(f"{FIXTURES / name}@mlp_in:mlp_out", Toy())
    acts = whole.encode(wanted["x"])
    before = whole.decode(acts, 64, wanted["x"])
    for layer, dictionary in enumerate(whole.layers):
        place = int(acts[layer].values.argmax())
        row, feature = int(acts[layer].rows[place]), int(acts[layer].features[place])
        without = acts[layer].values.clone()
        without[place] = 0
        ablated = [*acts]
        ablated[layer] = Sparse(acts[layer].rows, acts[layer].features, without)
        change = whole.decode(ablated, 64, wanted["x"]) - before
        writes = dictionary.writes(feature)
        assert list(writes) == list(dictionary.output_sites)
        assert [site.layer for site in writes] == list(range(layer, 3))
        for site, vector in writes.items():
            torch.testing.assert_close(
                change[site.layer, row], -acts[layer].values[place] * vector, rtol=1e-4, atol=1e-5
            )
            torch.testing.assert_close(dictionary.directions_at(site)[feature], vector)
            torch.testing.assert_close(dictionary.directions_at(site, feature, feature + 1)[0], vector)
        assert not change[:layer].any()


def test_llama_scope_gives_activations_as_sae_lens_does() -> None:
    """The library that trained these files reports them divided by s = √8 / 3.7."""
    wanted = expected("llama_scope_v1")
    dictionary = opened("llama_scope_v1")
    found = dense(dictionary.encode(wanted["x"]), 64, SIZE)
    s = 8**0.5 / 3.7
    torch.testing.assert_close(found / s, wanted["features_openmoss"], rtol=2e-3, atol=1e-4)
    assert torch.equal(found > 0, wanted["features_openmoss"] > 0)


def test_dictionary_learning_brings_the_decoder_to_unit_norm() -> None:
    wanted = expected("dl_autoencoder")
    found = dense(opened("dl_autoencoder").encode(wanted["x"]), 64, SIZE)
    assert not torch.allclose(found, wanted["features_raw"], rtol=1e-2)
    norms = opened("dl_autoencoder").directions().norm(dim=1)
    torch.testing.assert_close(norms, torch.ones(SIZE))


@pytest.mark.parametrize("name", ["saelens_skip_transcoder", "sparsify_skip_transcoder", "ct_plt_skip"])
def test_the_connection_past_the_features_is_part_of_the_reconstruction(name: str) -> None:
    for dictionary, wanted in layers_of(name):
        x = wanted["x"]
        acts = dictionary.encode(x)
        other = dictionary.decode(acts, len(x), torch.zeros_like(x))
        assert not torch.allclose(other, wanted["reconstruction"], atol=1e-2)
        if "decode_only" in wanted:
            close(other, wanted["decode_only"])
