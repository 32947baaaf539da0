"""Names for the places in modules that no adapter knows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autointerp.errors import ModelError
from autointerp.models import Columns, Edit, Operation, Point, Subject, Sum, inspect_subject
from autointerp.records import Site, SiteKind
from tests.models.families import FAMILIES, randomised, tokenizer_of, write_family

WIDTH, VOCABULARY = 12, 20
IDS = torch.tensor([[3, 5, 7, 9, 11], [4, 4, 6, 8, 2]])
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


class Block(nn.Module):
    """Attention with one matrix for query, key and value, and an MLP; each behind a norm."""

    def __init__(self, causal: bool) -> None:
        super().__init__()
        self.causal = causal
        self.before, self.between = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.before(x)).chunk(3, dim=-1)
        x = x + self.out(nn.functional.scaled_dot_product_attention(q, k, v, is_causal=self.causal))
        return x + self.down(torch.relu(self.up(self.between(x))))


class Network(nn.Module):
    """A transformer over token ids; with classes, one that classifies whole texts."""

    def __init__(self, *, causal: bool = True, classes: int = 0) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, WIDTH)
        self.blocks = nn.ModuleList([Block(causal) for _ in range(3)])
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, classes or VOCABULARY, bias=False)
        self.classes = classes

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        return self.head(x.mean(1) if self.classes else x)


SITES: dict[Site | str, Any] = {
    "resid_post": "blocks.{layer}",
    "resid_pre": Point("blocks.{layer}", "input"),
    "mlp_out": "blocks.{layer}.down",
    "mlp_hidden": Point("blocks.{layer}.down", "input"),
    "head_out": Point("blocks.{layer}.out", "input"),
    "attn_out": "blocks.{layer}.out",
    "v": Columns("blocks.{layer}.qkv", 2 * WIDTH, 3 * WIDTH),
    "embed": "embed",
    "final": "norm",
}


def wrap(module: nn.Module, sites: Mapping[Site | str, Any] = SITES, **options: Any) -> Subject:
    return Subject.wrap(module, sites=sites, **options)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return randomised(Network())


@pytest.fixture(scope="module")
def subject(network: nn.Module) -> Subject:
    return wrap(network, logits="head", norm="norm")


def site(kind: str, layer: int = 0) -> Site:
    return Site(layer=layer, kind=SiteKind(kind))


def test_what_was_found(subject: Subject) -> None:
    assert (subject.name, subject.width, subject.layers, subject.causal) == ("Network", WIDTH, 3, True)
    assert [str(s) for s in subject.sites()][:9] == [
        "embed.0", "resid_pre.0", "v.0", "head_out.0", "attn_out.0", "mlp_hidden.0", "mlp_out.0", "resid_post.0",
        "resid_pre.1",
    ]  # fmt: skip
    assert str(subject.sites()[-1]) == "final.0"
    assert [subject.width_of(site(kind)) for kind in ("v", "mlp_hidden", "resid_post")] == [12, 24, 12]
    names = [check.name for check in inspect_subject(subject)]
    assert "layer 2: resid_post = resid_pre + attn_out + mlp_out" in names
    assert "logits = final through head" in names
    assert "no token changes resid_post.2 before it" in names
    assert all(check.passed for check in inspect_subject(subject))


def test_readings_and_edits_are_those_of_the_formula(subject: Subject, network: Any) -> None:
    value = torch.randn(2, 5, WIDTH, generator=torch.Generator().manual_seed(1))
    where = site("v", 1)
    run = subject.run(IDS, capture=[where], edits=[Edit(where, Operation.ADD, value)], logits=True)
    with torch.no_grad():
        x = network.blocks[0](network.embed(IDS))
        block = network.blocks[1]
        q, k, v = block.qkv(block.before(x)).chunk(3, dim=-1)
        x = x + block.out(nn.functional.scaled_dot_product_attention(q, k, v + value, is_causal=True))
        x = x + block.down(torch.relu(block.up(block.between(x))))
        logits = network.head(network.norm(network.blocks[2](x)))
    torch.testing.assert_close(run.sites[where], v + value, **CLOSE)
    torch.testing.assert_close(run.logits, logits, **CLOSE)


def test_the_layers_between_sites_are_found(subject: Subject, network: Any) -> None:
    x = torch.randn(4, 2 * WIDTH, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(subject.to_residual(site("mlp_hidden", 2), x), x @ network.blocks[2].down.weight.T)
    assert subject.to_residual(site("v", 2), x[:, :WIDTH]) is None
    torch.testing.assert_close(
        subject.unembedding,
        (network.head.weight * network.norm.weight) - (network.head.weight * network.norm.weight).mean(1, keepdim=True),
        **CLOSE,
    )


def test_a_run_resumes(subject: Subject) -> None:
    where = site("resid_post", 1)
    first = subject.run(IDS, capture=[where], logits=True)
    resumed = subject.run(IDS, logits=True, start=(where, 2 * first.sites[where]))
    edited = subject.run(IDS, logits=True, edits=[Edit(where, Operation.SCALE, torch.tensor(2.0))])
    torch.testing.assert_close(resumed.logits, edited.logits, **CLOSE)


def test_the_module_is_left_as_it_was(network: nn.Module, subject: Subject) -> None:
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    assert not network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    torch.testing.assert_close(network(IDS), subject.run(IDS, logits=True).logits, **CLOSE)


def test_the_fingerprint_follows_every_number(network: Any) -> None:
    def mark(module: nn.Module) -> str:
        return wrap(module, {"embed": "embed"}).fingerprint

    other = randomised(Network())
    assert mark(other) == mark(network)
    with torch.no_grad():
        other.blocks[1].down.bias[3] += 1e-3
    assert mark(other) != mark(network)


def test_a_classifier_of_texts() -> None:
    module = randomised(Network(causal=False, classes=4))
    subject = wrap(module, {"resid_post": "blocks.{layer}"}, logits="head", causal=False)
    where = site("resid_post", 2)
    run = subject.run(IDS, logits=True, edits=[Edit(where, Operation.SET, torch.zeros(WIDTH))])
    assert run.logits.shape == (2, 4)
    torch.testing.assert_close(run.logits, module.head(module.norm(torch.zeros(2, WIDTH))), **CLOSE)
    assert not subject.causal


def test_logits_after_one_column_of_a_module_of_any_make(network: nn.Module, subject: Subject) -> None:
    """Nothing says that such a head works token by token, so it computes them all."""
    expected = network(IDS)[torch.arange(2), torch.tensor([4, 1])]
    torch.testing.assert_close(subject.run(IDS, logits=torch.tensor([4, 1])).logits, expected, **CLOSE)


def test_a_sum_that_goes_through_a_norm() -> None:
    class After(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mix, self.mlp = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
            self.first, self.second = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)

        def forward(self, x: Tensor) -> Tensor:
            x = self.first(x + self.mix(x))
            return self.second(x + self.mlp(x))

    module = randomised(nn.Sequential(nn.Embedding(VOCABULARY, WIDTH), After(), After()))
    sites = {
        f"{kind}.{layer}": point
        for layer in (0, 1)
        for kind, point in {
            "resid_pre": Point(f"{layer + 1}", "input"),
            "attn_out": Point(f"{layer + 1}.mix"),
            "mlp_in": Point(f"{layer + 1}.mlp", "input"),
            "mlp_out": Point(f"{layer + 1}.mlp"),
            "resid_post": Point(f"{layer + 1}"),
        }.items()
    }
    with pytest.raises(ModelError, match=r"layer 0: resid_post = resid_pre \+ attn_out \+ mlp_out is missed by"):
        wrap(module, sites)
    assert not [check for check in inspect_subject(wrap(module, sites, sums=())) if "norm(" in check.name]
    # The path of a norm counts from the module itself, so layer n is here at n + 1.
    sums = (Sum(SiteKind.RESID_POST, (SiteKind.MLP_IN, SiteKind.MLP_OUT), "{layer}.second"),)
    only = {key: point for key, point in sites.items() if key.endswith("1")}
    with pytest.raises(ModelError, match=r"resid_post = norm\(mlp_in \+ mlp_out\) is missed"):
        wrap(module, only, sums=sums)
    sums = (Sum(SiteKind.RESID_POST, (SiteKind.MLP_IN, SiteKind.MLP_OUT), "2.second"),)
    subject = wrap(module, only, sums=sums)
    assert next(check.name for check in inspect_subject(subject)) == "layer 1: resid_post = norm(mlp_in + mlp_out)"
    assert subject.to_residual(site("mlp_out", 1), torch.ones(WIDTH)) is None


def test_a_module_that_looks_ahead_is_not_causal() -> None:
    module = randomised(Network(causal=False))
    with pytest.raises(ModelError, match=r"no token changes resid_post\.2 before it is missed"):
        wrap(module)
    assert wrap(module, causal=False).causal is False


def test_masks_are_handed_on_where_the_module_takes_them() -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(VOCABULARY, WIDTH)
            self.mean = nn.Identity()

        def forward(self, tokens: Tensor, attention_mask: Tensor | None = None) -> Tensor:
            mask = torch.ones_like(tokens) if attention_mask is None else attention_mask
            return self.mean((self.embed(tokens) * mask[..., None]).sum(1, keepdim=True) / mask.sum(1)[:, None, None])

    subject = wrap(Masked(), {"final": "mean"}, causal=False, padding=1, suffix=(2,))
    assert subject.pad([[5, 6], [7]]).tolist() == [[5, 6, 2], [7, 2, 1]]
    together = subject.run(subject.pad([[5, 6], [7]]), capture=[site("final")]).sites[site("final")]
    alone = subject.run(subject.pad([[7]]), capture=[site("final")]).sites[site("final")]
    torch.testing.assert_close(together[1:], alone)


def test_a_tokenizer_gives_the_roles(network: nn.Module) -> None:
    subject = wrap(network, {"resid_post": "blocks.{layer}"}, tokenizer=tokenizer_of(causal=True), probe=[0, 3, 4])
    assert (subject.bos, subject.padding, subject.suffix) == (0, 0, ())
    assert subject.encode("w5 w6") == [5, 6]
    bare = wrap(network, {"resid_post": "blocks.{layer}"}, bos=3)
    assert (bare.bos, bare.padding) == (3, 3)
    for use in (lambda: bare.encode("x"), lambda: bare.strings):
        with pytest.raises(ModelError, match=r"has no tokenizer: give Subject\.wrap one"):
            use()


def test_a_model_of_transformers_needs_no_sites(tmp_path: Path) -> None:
    for name in ("gpt2", "bert"):
        loaded = Subject.load(str(write_family(FAMILIES[name], tmp_path / name)))
        subject = Subject.wrap(loaded.module, tokenizer=loaded.tokenizer)
        assert subject.sites() == loaded.sites()
        assert (subject.context, subject.causal, subject.suffix) == (loaded.context, loaded.causal, loaded.suffix)
        ids = loaded.pad([[0, 5, 6], [0, 7]])
        torch.testing.assert_close(subject.run(ids, logits=True).logits, loaded.run(ids, logits=True).logits)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sites": None}, "is a Network, for which there is no adapter: give Subject.wrap its sites"),
        ({"sites": {}}, "no sites of Network were given"),
        (
            {"sites": {"resid_post": "layers.{layer}"}},
            "no module 'layers.0' for resid_post: its own parts are embed, blocks",
        ),
        ({"sites": {"resid_post": "blocks.0"}}, "of no layer: put {layer} there, or name resid_post.0"),
        ({"sites": {"resid_post.7": "blocks.7"}}, "no module 'blocks.7'"),
        ({"sites": {"residual": "blocks.{layer}"}}, "no site 'residual': give one of resid_pre, resid_post"),
        ({"sites": {"resid_post.x": "blocks.0"}}, "no site 'resid_post.x'"),
        ({"sites": {"embed": "embed"}, "logits": "unembed"}, "no module 'unembed' for logits"),
        (
            {"sites": {"embed": "embed"}, "logits": "head", "norm": "blocks.0.up"},
            "blocks.0.up of Network is no LayerNorm",
        ),
        ({"sites": {"embed": "embed"}, "probe": [99]}, "does not run on the probe [99]"),
        (
            {"sites": {"embed": "embed"}, "sums": (Sum(SiteKind.RESID_POST, (SiteKind.RESID_PRE,)),)},
            "no layer has resid_post and resid_pre",
        ),
    ],
)
def test_what_cannot_be_wrapped(network: nn.Module, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError) as caught:
        Subject.wrap(network, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_module_that_runs_twice_or_never_holds_no_site(network: Any) -> None:
    shared = Network()
    shared.blocks[2] = shared.blocks[1]
    with pytest.raises(ModelError, match=r"comes 2 times by 'blocks\.1', which holds resid_post\.1"):
        wrap(shared, {"resid_post": "blocks.{layer}"})
    shared.spare = nn.Linear(2, 2)
    with pytest.raises(ModelError, match="comes 0 times by 'spare'"):
        wrap(shared, {"final": "spare"})


def test_an_unknown_site_lists_the_known_ones(network: nn.Module) -> None:
    subject = wrap(network, {"embed": "embed", "mlp_out.0": "blocks.0.down", "mlp_out.2": "blocks.2.down"})
    for where, message in (
        (site("pattern"), "Network has no site pattern: there are embed, mlp_out"),
        (site("mlp_out", 1), "Network has no mlp_out.1: there are mlp_out.0, mlp_out.2"),
    ):
        with pytest.raises(ModelError, match=message):
            subject.run(IDS, capture=[where])
        with pytest.raises(ModelError, match=message):
            subject.width_of(where)
    with pytest.raises(ModelError, match="no head"):
        subject.run(IDS, logits=True)


def test_no_resuming_where_a_block_cannot_be_skipped(network: nn.Module) -> None:
    subject = wrap(network, {"resid_post": Point("blocks.{layer}.between", "input")})
    with pytest.raises(ModelError, match="Network cannot resume from a layer"):
        subject.run(IDS, capture=[site("resid_post", 1)], start=(site("resid_post"), torch.zeros(2, 5, WIDTH)))


def test_a_text_longer_than_the_context(network: nn.Module) -> None:
    subject = wrap(network, {"embed": "embed"}, context=4)
    with pytest.raises(ModelError, match="5 tokens are more than the context of 4"):
        subject.run(IDS, capture=[site("embed")])
