"""Every family of models: each site is where torch's own hooks find it, and adds up as it should."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import Gemma3Config, Gemma3ForConditionalGeneration

from autointerp.models import ADAPTERS, Edit, Operation, Subject, inspect_subject
from autointerp.records import Site, SiteKind
from tests.models.families import (
    FAMILIES,
    LAYERS,
    VOCABULARY,
    WIDTH,
    Family,
    hooked,
    randomised,
    tokenizer_of,
    write_family,
)

KINDS = [str(kind) for kind in SiteKind if kind is not SiteKind.PATTERN]
TEXTS = [[0, 3, 4, 5, 6, 7, 8, 9], [0, 40, 30, 20, 10, 11, 12, 13]]
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


@dataclass
class Case:
    family: Family
    subject: Subject
    ids: Tensor
    #: By layer, what hooks read.
    plain: list[dict[str, Tensor]]
    output: Tensor

    def site(self, kind: str, layer: int = 1) -> Site:
        return Site(layer=0 if kind in ("embed", "final") else layer, kind=SiteKind(kind))

    def result(self, output: Any) -> Tensor:
        """What comes out of the model in the end: logits, or the stream where there is no head."""
        return output.logits if self.subject.has_logits else output.last_hidden_state

    def edited(self, *edits: Edit) -> Tensor:
        if self.subject.has_logits:
            return self.subject.run(self.ids, edits=edits, logits=True).logits
        return self.subject.run(self.ids, edits=edits, capture=[self.site("final")]).sites[self.site("final")]

    def read(self, *kinds: str, layer: int = 1) -> list[Tensor]:
        sites = [self.site(kind, layer) for kind in kinds]
        seen = self.subject.run(self.ids, capture=sites).sites
        return [seen[site] for site in sites]


@pytest.fixture(scope="module", params=FAMILIES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    family = FAMILIES[request.param]
    subject = Subject.load(str(write_family(family, tmp_path_factory.mktemp("family"))))
    ids = subject.pad(TEXTS)
    runs = [hooked(subject.module, ids, capture=family.places, layer=layer) for layer in range(LAYERS)]
    case = Case(family, subject, ids, [seen for seen, _ in runs], torch.empty(0))
    case.output = case.result(runs[0][1])
    return case


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_every_supported_class_is_of_a_family_tested_here() -> None:
    tested = {family.model for family in FAMILIES.values()}
    adapters = [ADAPTERS[name] for name in tested]
    for name, adapter in ADAPTERS.items():
        alike = [one for one in adapters if one.points == adapter.points and one.blocks == adapter.blocks]
        assert alike, name


def test_what_a_subject_says_of_itself(case: Case) -> None:
    subject, family = case.subject, case.family
    assert (subject.width, subject.layers) == (WIDTH, LAYERS)
    assert subject.causal is family.causal
    assert subject.has_logits is (family.model != "BertModel")
    assert subject.context == 32 - len(subject.suffix)
    assert (subject.bos, subject.suffix, subject.padding) == ((0, (), 0) if family.causal else (0, (1,), 2))
    assert len(subject.strings) == VOCABULARY
    expected = [site.kind for site in subject.sites() if site.layer == 0 and site.kind not in ("embed", "final")]
    assert set(expected) == set(SiteKind) - {SiteKind.EMBED, SiteKind.FINAL}
    assert len(subject.sites()) == 2 + LAYERS * 11


def test_every_site_has_the_documented_shape(case: Case) -> None:
    subject, family = case.subject, case.family
    batch, tokens = case.ids.shape
    seen = subject.run(case.ids, capture=subject.sites()).sites
    for site, value in seen.items():
        if site.kind is SiteKind.PATTERN:
            assert value.shape == (batch, family.heads, tokens, tokens)
            torch.testing.assert_close(value.sum(-1), torch.ones(batch, family.heads, tokens))
            assert family.causal == bool((value.triu(1) == 0).all())
        else:
            assert value.shape == (batch, tokens, family.width(site.kind)), site
            assert subject.width_of(site) == family.width(site.kind)


@pytest.mark.parametrize("layer", range(LAYERS))
def test_sites_read_what_hooks_read(case: Case, layer: int) -> None:
    for kind, value in zip(KINDS, case.read(*KINDS, layer=layer), strict=True):
        torch.testing.assert_close(
            value, case.plain[layer][kind], **CLOSE, msg=lambda text, kind=kind: f"{kind}: {text}"
        )


def test_logits_are_the_model_s(case: Case) -> None:
    torch.testing.assert_close(case.edited(), case.output, **CLOSE)


@pytest.mark.parametrize("kind", KINDS)
def test_an_edit_changes_the_outcome_as_the_same_hook_does(case: Case, kind: str) -> None:
    for layer in range(1 if kind in ("embed", "final") else LAYERS):
        value = noise(*case.ids.shape, case.family.width(kind), seed=layer)
        place = case.family.places[kind]
        _, output = hooked(case.subject.module, case.ids, edits={kind: (place, lambda x, v=value: x + v)}, layer=layer)
        found = case.edited(Edit(case.site(kind, layer), Operation.ADD, value))
        torch.testing.assert_close(found, case.result(output), **CLOSE)
        assert not torch.allclose(found, case.output, atol=1e-2)


@pytest.mark.parametrize("layer", range(LAYERS))
def test_logits_after_one_column_are_those_that_hooks_find(case: Case, layer: int) -> None:
    """Also where the last MLP and the head see nothing but this column."""
    if not case.subject.has_logits:
        pytest.skip("a model without a head")
    places = torch.tensor([case.ids.shape[1] - 1, 3])
    for kind in ("resid_pre", "mlp_in", "mlp_out"):
        value = noise(*case.ids.shape, WIDTH, seed=layer)
        place = case.family.places[kind]
        _, output = hooked(case.subject.module, case.ids, edits={kind: (place, lambda x, v=value: x + v)}, layer=layer)
        edit = Edit(case.site(kind, layer), Operation.ADD, value)
        found = case.subject.run(case.ids, edits=[edit], logits=places).logits
        torch.testing.assert_close(found, output.logits[torch.arange(2), places], **CLOSE)


def test_queries_keys_and_values_are_edited_side_by_side(case: Case) -> None:
    # In some families all three are slices of one output.
    values = {kind: noise(*case.ids.shape, case.family.width(kind), seed=ord(kind)) for kind in "qkv"}
    edits = {kind: (case.family.places[kind], lambda x, v=value: x * v) for kind, value in values.items()}
    _, output = hooked(case.subject.module, case.ids, edits=edits, layer=1)
    found = case.edited(*(Edit(case.site(kind), Operation.SCALE, value) for kind, value in values.items()))
    torch.testing.assert_close(found, case.result(output), **CLOSE)


@pytest.mark.parametrize("layer", range(LAYERS))
def test_an_edited_pattern_is_what_mixes_the_values(case: Case, layer: int) -> None:
    family, module = case.family, case.subject.module
    batch, tokens = case.ids.shape
    usual = module.config._attn_implementation
    module.set_attn_implementation("eager")
    _, output = hooked(module, case.ids, output_attentions=True)
    module.set_attn_implementation(usual)
    pattern = output.attentions[layer]
    torch.testing.assert_close(case.read("pattern", layer=layer)[0], pattern, **CLOSE)

    factor = noise(batch, family.heads, tokens, tokens, seed=layer)
    values = case.plain[layer]["v"].unflatten(-1, (family.shared, family.size)).transpose(1, 2)
    values = values.repeat_interleave(family.heads // family.shared, dim=1)
    if family.model == "OlmoForCausalLM":
        values = values.clamp(-1.0, 1.0)
    mixed = ((pattern * factor) @ values).transpose(1, 2).flatten(2)
    _, output = hooked(module, case.ids, edits={"": (family.places["head_out"], lambda _: mixed)}, layer=layer)
    found = case.edited(Edit(case.site("pattern", layer), Operation.SCALE, factor))
    torch.testing.assert_close(found, case.result(output), **CLOSE)
    assert not torch.allclose(found, case.output, atol=1e-2)
    assert module.config._attn_implementation == usual


def test_what_attention_and_mlp_write_adds_up(case: Case) -> None:
    kinds = ("resid_pre", "attn_out", "mlp_in", "mlp_out", "resid_post")
    seen = dict(zip(kinds, case.read(*kinds), strict=True))
    if case.family.sums is None:
        pairs = [(seen["resid_pre"] + seen["attn_out"] + seen["mlp_out"], seen["resid_post"])]
    else:
        pairs = case.family.sums(case.subject.module, seen)
    for found, expected in pairs:
        torch.testing.assert_close(found, expected, **CLOSE)


@pytest.mark.parametrize("layer", range(LAYERS))
def test_heads_sum_to_what_attention_writes(case: Case, layer: int) -> None:
    family, module = case.family, case.subject.module
    mixed, written = case.read("head_out", "attn_out", layer=layer)
    projection = module.get_submodule(family.projection.format(layer=layer))
    weight = projection.weight if isinstance(projection, nn.Linear) else projection.weight.T
    parts = zip(mixed.split(family.size, dim=-1), weight.split(family.size, dim=1), strict=True)
    total = sum((part @ columns.T for part, columns in parts), start=torch.zeros(WIDTH))
    total = total if projection.bias is None else total + projection.bias
    if "attn_out" in family.post:
        total = module.get_submodule(family.post["attn_out"].format(layer=layer))(total)
    torch.testing.assert_close(total, written, **CLOSE)


def test_what_is_written_at_a_site_reaches_the_stream(case: Case) -> None:
    family = case.family
    inside = {"mlp_hidden": "mlp_out", "head_out": "attn_out"}
    for kind in KINDS:
        vector = noise(family.width(kind), seed=1)
        found = case.subject.to_residual(case.site(kind), vector)
        if kind in inside and family.causal and not family.post:
            clean = case.read(inside[kind])[0]
            target = case.site(inside[kind])
            edit = Edit(case.site(kind), Operation.ADD, vector)
            moved = case.subject.run(case.ids, capture=[target], edits=[edit]).sites[target]
            torch.testing.assert_close((moved - clean)[0, 3], found, rtol=1e-4, atol=1e-5)
        elif kind in ("embed", "resid_pre", "resid_post", *(inside.values() if family.causal else ("final",))):
            assert found is vector
        else:
            assert found is None, kind
    assert case.subject.to_residual(Site(layer=0, kind=SiteKind.MLP_HIDDEN), noise(3, 2, 24)) is None or family.causal


def test_the_unembedding_is_the_head_behind_the_final_norm(case: Case) -> None:
    family, module = case.family, case.subject.module
    if family.norm is None:
        assert case.subject.unembedding is None
        return
    norm, kind = module.get_submodule(family.norm[0]), family.norm[1]
    head = module.get_submodule("lm_head")
    assert case.subject.unembedding.shape == (VOCABULARY, WIDTH)
    # The logits of two streams of one length differ by the unembedding of their difference, over that length.
    x, y = noise(2, WIDTH, seed=3)
    if kind == "layer":
        y = (y - y.mean()) / (y - y.mean()).norm() * (x - x.mean()).norm() + 0.7
        length = ((x - x.mean()).square().mean() + 1e-5).sqrt()
    else:
        y = y / y.norm() * x.norm()
        length = (x.square().mean() + 1e-6).sqrt()
    expected = head(norm(x)) - head(norm(y))
    torch.testing.assert_close(case.subject.unembedding @ (x - y) / length, expected, rtol=1e-3, atol=1e-4)


def test_all_checks_pass_and_say_how_closely(case: Case) -> None:
    checks = inspect_subject(case.subject)
    assert {check.name for check in checks if not check.passed} == set()
    names = " | ".join(check.name for check in checks)
    for claim in ("resid_post = ", "through", "pattern sums to 1", "embed = resid_pre"):
        assert claim in names
    # Values that are clipped in place are not those that are mixed.
    assert ("head_out = pattern × v" in names) is (case.family.model != "OlmoForCausalLM")
    assert ("no token changes" in names) is case.family.causal
    assert all(0 <= check.error < 1e-5 for check in checks)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_text_in_a_batch_is_a_text_alone(case: Case, side: Any) -> None:
    subject = case.subject
    texts = [[0, 3, 4, 5, 6, 7], [0, 8, 9], [0, 10]]
    batch = subject.batch(texts, side=side)
    kinds = ("resid_post", "head_out", "pattern")
    together = subject.run(batch, capture=[case.site(kind) for kind in kinds]).sites
    for row, text in enumerate(texts):
        alone = subject.run(subject.batch([text]), capture=[case.site(kind) for kind in kinds]).sites
        mask = batch.mask[row]
        for kind in kinds[:2]:
            torch.testing.assert_close(together[case.site(kind)][row][mask], alone[case.site(kind)][0], **CLOSE)
        pattern = together[case.site("pattern")][row][:, mask][:, :, mask]
        torch.testing.assert_close(pattern, alone[case.site("pattern")][0], **CLOSE)


def test_a_run_resumes_from_a_layer(case: Case) -> None:
    site = case.site("resid_post", 0)
    first = case.subject.run(case.ids, capture=[site]).sites[site]
    final = case.site("final")
    whole = case.subject.run(case.ids, capture=[final]).sites[final]
    resumed = case.subject.run(case.ids, capture=[final], start=(site, first)).sites[final]
    torch.testing.assert_close(resumed, whole, **CLOSE)


def test_headless_classes_load_too(tmp_path: Path) -> None:
    for name in ("gpt2", "gpt_neox", "gemma2"):
        folder = write_family(FAMILIES[name], tmp_path / name)
        whole = Subject.load(str(folder))
        path = folder / "config.json"
        base = {"gpt2": "GPT2Model", "gpt_neox": "GPTNeoXModel", "gemma2": "Gemma2Model"}[name]
        path.write_text(path.read_text().replace(FAMILIES[name].model, base))
        headless = Subject.load(str(folder))
        assert (headless.has_logits, headless.unembedding) == (False, None)
        final = Site(layer=0, kind=SiteKind.FINAL)
        ids = whole.pad([[0, 5, 6]])
        torch.testing.assert_close(headless.run(ids, capture=[final]).sites, whole.run(ids, capture=[final]).sites)


def test_the_text_part_of_a_model_of_text_and_images(tmp_path: Path) -> None:
    vision = {
        "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 28,
        "patch_size": 14,
    }  # fmt: skip
    config = Gemma3Config(
        text_config=dict(FAMILIES["gemma3"].options),
        vision_config=vision,
        mm_tokens_per_image=4,
        boi_token_index=45,
        eoi_token_index=46,
        image_token_index=47,
    )
    randomised(Gemma3ForConditionalGeneration(config)).save_pretrained(tmp_path)
    tokenizer_of(causal=True).save_pretrained(tmp_path)
    subject = Subject.load(str(tmp_path))
    assert (subject.width, subject.layers, subject.context, len(subject.sites())) == (WIDTH, LAYERS, 32, 24)
    assert all(check.passed for check in inspect_subject(subject))
    ids = torch.tensor(TEXTS)
    torch.testing.assert_close(subject.run(ids, logits=True).logits, subject.module(ids).logits, **CLOSE)
