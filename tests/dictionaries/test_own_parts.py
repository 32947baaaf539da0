"""Dictionaries made of a model's own parts: neurons, heads, principal components."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from autointerp.dictionaries import Dictionary, Sparse, open_dictionary
from autointerp.errors import DictionaryError, FeatureError
from autointerp.models import Subject
from autointerp.records import Site, SiteKind
from tests.dictionaries.toys import Toy, dense, nothing

HEADS, HEAD, RESIDUAL = 4, 6, 16
CLUSTERED = torch.randn(24, 24, generator=torch.Generator().manual_seed(5)) * torch.linspace(0.1, 3, 24)[:, None]


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def toy(heads: int | None = HEADS, projection: Tensor | None = None) -> Toy:
    config = SimpleNamespace(num_attention_heads=heads)
    widths = {SiteKind.HEAD_OUT: HEADS * HEAD, SiteKind.MLP_HIDDEN: 40, SiteKind.RESID_POST: 24}
    return Toy(
        width=RESIDUAL,
        widths=widths,
        module=SimpleNamespace(config=config),
        projection=numbers(HEADS * HEAD, RESIDUAL, seed=1) if projection is None else projection,
    )


def text(site: Site) -> Tensor:
    assert site == Site(layer=2, kind=SiteKind.RESID_POST)
    return numbers(500, 24, seed=2) @ CLUSTERED + torch.arange(24)


def opened(name: str) -> Dictionary:
    return open_dictionary(name, toy(), sample=text)


NAMES = ["neurons:mlp.3", "heads:attn.3", "pca:resid_post.2"]


@pytest.mark.parametrize("name", NAMES)
def test_two_features_an_axis_and_none_negative(name: str) -> None:
    dictionary = opened(name)
    x = 3 * numbers(50, dictionary.width)
    acts = dictionary.encode(x)
    assert dictionary.size == 2 * dictionary.width
    assert dictionary.output_width == dictionary.width
    assert dictionary.input_site == dictionary.output_site
    assert (acts.values > 0).all()
    assert (acts.rows.diff() >= 0).all()
    half = dictionary.size // 2
    whole = dense(acts, 50, dictionary.size)
    assert not (whole[:, :half] * whole[:, half:]).any()
    for feature in (0, 5, half, half + 5, dictionary.size - 1):
        torch.testing.assert_close(dictionary.encode_one(x, feature), whole[:, feature], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(dictionary.direction(feature), dictionary.directions()[feature])
        torch.testing.assert_close(dictionary.direction(feature).norm(), torch.tensor(1.0))
    assert torch.equal(dictionary.directions(half), -dictionary.directions(0, half))
    assert dictionary.encode_one(x.view(5, 10, -1), 3).shape == (5, 10)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_encoded_can_be_decoded(name: str) -> None:
    dictionary = opened(name)
    x = 3 * numbers(50, dictionary.width)
    again = dictionary.decode(dictionary.encode(x), 50)
    torch.testing.assert_close(again, x, rtol=1e-4, atol=1e-4)
    rest = dictionary.decode(nothing(), 1)
    one = Sparse(torch.tensor([0]), torch.tensor([dictionary.size - 2]), torch.tensor([2.0]))
    change = (dictionary.decode(one, 1) - rest)[0]
    torch.testing.assert_close(change, 2 * dictionary.direction(dictionary.size - 2), rtol=1e-5, atol=1e-5)


def test_neurons_are_exact() -> None:
    dictionary = opened("neurons:mlp.3")
    x = numbers(64, 40) * 1e-3
    x[::7] = 0
    assert torch.equal(dictionary.decode(dictionary.encode(x), 64), x)
    assert dictionary.input_site == Site(layer=3, kind=SiteKind.MLP_HIDDEN)
    assert torch.equal(dictionary.encode_one(x, 7), x[:, 7].clamp(min=0))
    assert torch.equal(dictionary.encode_one(x, 47), (-x[:, 7]).clamp(min=0))
    assert torch.equal(dictionary.direction(47), -torch.eye(40)[7])


def test_a_neuron_of_nothing_finite_is_seen() -> None:
    x = numbers(4, 40)
    x[2, 7] = float("nan")
    found = opened("neurons:mlp.3").encode(x)
    bad = found.values.isnan()
    assert (found.rows[bad].tolist(), found.features[bad].tolist()) == ([2], [7])


def test_heads_are_coordinates_along_what_they_write() -> None:
    subject = toy()
    dictionary = open_dictionary("heads:attn.1", subject)
    axes = dictionary.directions(0, HEADS * HEAD)
    torch.testing.assert_close(axes @ axes.T, torch.eye(HEADS * HEAD), rtol=1e-5, atol=1e-5)
    for head in range(HEADS):
        block = slice(head * HEAD, (head + 1) * HEAD)
        mine = axes[block].clone()
        mine[:, block] = 0
        assert not mine.any(), "an axis of one head reaches into another"
        written = subject.to_residual(dictionary.output_site, axes[block])
        assert written is not None
        gram = written @ written.T
        torch.testing.assert_close(gram, gram.diag().diag(), rtol=1e-4, atol=1e-4)
        assert (gram.diag().diff() <= 1e-6).all(), "the strongest comes first"
        sizes = torch.linalg.svdvals(subject.projection[block])
        torch.testing.assert_close(gram.diag().sqrt(), sizes, rtol=1e-4, atol=1e-4)


def test_heads_wider_than_the_residual_stream() -> None:
    subject = toy(heads=1, projection=numbers(HEADS * HEAD, RESIDUAL))
    axes = open_dictionary("heads:head_out.1", subject).directions(0, HEADS * HEAD)
    torch.testing.assert_close(axes @ axes.T, torch.eye(HEADS * HEAD), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"projection": None}, "is not linear in their output"),
        ({"module": SimpleNamespace(config=SimpleNamespace(num_attention_heads=5))}, "how many heads share the 24"),
        ({"module": None}, "how many heads share the 24 dimensions of head_out.1"),
    ],
)
def test_heads_that_have_no_basis(change: dict[str, object], says: str) -> None:
    subject = toy()
    for key, value in change.items():
        setattr(subject, key, value)
    with pytest.raises(DictionaryError, match=says):
        open_dictionary("heads:attn.1", subject)


def test_heads_of_a_real_model(subject: Subject) -> None:
    dictionary = open_dictionary("heads:attn.1", subject)
    site = Site(layer=1, kind=SiteKind.HEAD_OUT)
    ids = subject.pad([[subject.bos, *subject.encode("def one(two):\n    return three\n")]])
    x = subject.run(ids, capture=[site]).sites[site][0].float()
    torch.testing.assert_close(dictionary.decode(dictionary.encode(x), len(x)), x, rtol=1e-4, atol=1e-5)
    neurons = open_dictionary("neurons:mlp.1", subject)
    site = neurons.input_site
    x = subject.run(ids, capture=[site]).sites[site][0].float()
    assert torch.equal(neurons.decode(neurons.encode(x), len(x)), x)


def test_principal_components_are_those_of_the_singular_value_decomposition() -> None:
    dictionary = opened("pca:resid_post.2")
    x = text(dictionary.input_site).double()
    _, _, vectors = torch.linalg.svd(x - x.mean(0), full_matrices=False)
    axes = dictionary.directions(0, 24).double()
    torch.testing.assert_close((axes * vectors).sum(1).abs(), torch.ones(24).double(), rtol=1e-4, atol=1e-4)
    assert (axes.gather(1, axes.abs().argmax(1, keepdim=True)) > 0).all()
    acts = dense(dictionary.encode(x.float()), 500, 48)
    variance = (acts[:, :24] - acts[:, 24:]).var(0)
    assert (variance.diff() < 0).all()
    assert dictionary.fingerprint == opened("pca:resid_post.2").fingerprint
    other = open_dictionary("pca:resid_post.2", toy(), sample=lambda site: text(site)[:300])
    assert dictionary.fingerprint != other.fingerprint


def test_few_positions_have_few_components() -> None:
    assert open_dictionary("pca:resid_post.2", toy(), sample=lambda site: text(site)[:5]).size == 8


def test_positions_of_nothing_finite_are_left_out_of_a_fit() -> None:
    def holed(site: Site) -> Tensor:
        x = text(site)
        x[3] = float("nan")
        return x

    assert open_dictionary("pca:resid_post.2", toy(), sample=holed).directions().isfinite().all()


@pytest.mark.parametrize(
    ("sample", "says"),
    [
        (None, "needs text to be fitted on: pass `sample`"),
        (lambda site: text(site)[:1], r"has shape \(1, 24\), expected at least 2 positions of width 24"),
        (lambda site: text(site)[:, :9], r"has shape \(500, 9\)"),
        (lambda site: text(site) * float("nan"), "fewer than 2 positions without NaN"),
    ],
)
def test_a_fit_without_enough_text(sample: object, says: str) -> None:
    with pytest.raises(DictionaryError, match=says):
        open_dictionary("pca:resid_post.2", toy(), sample=sample)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "neurons:attn.3",
            r"'attn.3' is no site that this can be had for: write for example one of mlp.3, mlp_hidden.3",
        ),
        ("neurons:mlp", "'mlp' is no site"),
        ("neurons:mlp.x", "'mlp.x' is no site"),
        ("neurons:mlp.-1", "'mlp.-1' is no site"),
        ("neurons:mlp.40", "reads mlp_hidden.40, but toy has layers 0 to 39"),
        ("heads:mlp.3", "write for example one of attn.3, head_out.3"),
        ("pca:pattern.3", "'pattern.3' is no site"),
    ],
)
def test_a_site_that_there_is_none_of(name: str, says: str) -> None:
    with pytest.raises(DictionaryError, match=says):
        opened(name)


def test_fingerprints_differ_by_model_site_and_kind() -> None:
    other = toy()
    other.fingerprint = "other weights"
    found = [opened(name) for name in (*NAMES, "neurons:mlp.2", "heads:attn.2")]
    found.append(open_dictionary("neurons:mlp.3", other))
    assert len({dictionary.fingerprint for dictionary in found}) == len(found)


@pytest.mark.parametrize("feature", [-1, 80])
def test_a_feature_out_of_range(feature: int) -> None:
    dictionary = opened("neurons:mlp.3")
    for ask in (dictionary.direction, lambda f: dictionary.encode_one(torch.ones(2, 40), f)):
        with pytest.raises(FeatureError, match="give a number from 0 to 79"):
            ask(feature)


def test_activations_of_another_width() -> None:
    with pytest.raises(DictionaryError, match=r"reads mlp_hidden.3 of width 40, was given 24"):
        opened("neurons:mlp.3").encode(torch.ones(2, 24))
