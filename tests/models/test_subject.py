"""Readings, edits and resumed runs equal those of torch's own hooks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from autointerp.errors import ModelError
from autointerp.models import Edit, Operation, Subject
from autointerp.records import Site, SiteKind
from tests.models.plain import Change, plain_run

TEXTS = ("def f(a):\n    return a\n", "for i in range(9): print(i, 'x')", "import re\nclass Node:\n    pass\n")
LAYERED = tuple(kind for kind in SiteKind if kind not in (SiteKind.Q, SiteKind.K, SiteKind.V, SiteKind.PATTERN))
SITES = [
    Site(layer=0 if kind in (SiteKind.EMBED, SiteKind.FINAL) else layer, kind=kind)
    for kind in LAYERED
    for layer in ((0,) if kind in (SiteKind.EMBED, SiteKind.FINAL) else (0, 1, 2))
]
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


def site(layer: int, kind: str) -> Site:
    return Site(layer=layer, kind=SiteKind(kind))


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def ids(subject: Subject) -> Tensor:
    return subject.pad([[subject.bos, *subject.encode(text)] for text in TEXTS])


@pytest.fixture(scope="module")
def clean(subject: Subject, ids: Tensor) -> tuple[dict[Site, Tensor], Tensor]:
    return plain_run(subject.module, ids, capture=SITES)


def width_of(clean: tuple[dict[Site, Tensor], Tensor], where: Site) -> int:
    return clean[0][where].shape[-1]


@pytest.mark.parametrize("where", SITES, ids=str)
def test_a_site_reads_what_a_hook_reads(subject: Subject, ids: Tensor, clean, where: Site) -> None:
    run = subject.run(ids, capture=[where])
    assert list(run.sites) == [where]
    assert run.logits is None
    torch.testing.assert_close(run.sites[where], clean[0][where], **TOLERANCE)


def test_all_sites_at_once_and_the_logits(subject: Subject, ids: Tensor, clean) -> None:
    run = subject.run(ids, capture=reversed(SITES), logits=True)
    assert set(run.sites) == set(SITES)
    for where in SITES:
        torch.testing.assert_close(run.sites[where], clean[0][where], **TOLERANCE)
    torch.testing.assert_close(run.logits, clean[1], **TOLERANCE)


#: What each operation should do to x, given v; resampling, which takes no vector, is tested apart.
CHANGES: dict[Operation, Callable[[Tensor], Change]] = {
    Operation.SET: lambda v: lambda x: v.expand_as(x) + 0,
    Operation.ADD: lambda v: v.add,
    Operation.SCALE: lambda v: v.mul,
    Operation.PROJECT_OUT: lambda v: lambda x: x - torch.einsum("btd,d,e->bte", x, v, v) / torch.dot(v, v),
}


@pytest.mark.parametrize("operation", CHANGES)
@pytest.mark.parametrize(
    "where", [s for s in SITES if s.layer == (1 if s.kind not in ("embed", "final") else 0)], ids=str
)
def test_an_edit_does_what_the_same_hook_does(
    subject: Subject, ids: Tensor, clean, where: Site, operation: Operation
) -> None:
    value = noise(width_of(clean, where))
    expected, logits = plain_run(subject.module, ids, capture=[where], edits=[(where, CHANGES[operation](value))])
    run = subject.run(ids, capture=[where], edits=[Edit(where, operation, value)], logits=True)
    torch.testing.assert_close(run.sites[where], expected[where], **TOLERANCE)
    torch.testing.assert_close(run.logits, logits, **TOLERANCE)
    assert not torch.allclose(run.logits, clean[1], atol=1e-2)


def test_edits_at_several_sites_act_together_and_in_order(subject: Subject, ids: Tensor) -> None:
    first, second, third = site(0, "attn_out"), site(1, "mlp_hidden"), site(2, "resid_pre")
    a, b, c = noise(32, seed=1), noise(64, seed=2), noise(32, seed=3)
    edits = [
        Edit(third, Operation.PROJECT_OUT, c),
        Edit(second, Operation.SCALE, b),
        Edit(first, Operation.ADD, a),
        Edit(first, Operation.SCALE, torch.tensor(0.5)),
    ]
    hooks = [
        (third, lambda x: x - (x @ c)[..., None] * c / c.dot(c)),
        (second, lambda x: x * b),
        (first, lambda x: (x + a) * 0.5),
    ]
    _, logits = plain_run(subject.module, ids, edits=hooks)
    torch.testing.assert_close(subject.run(ids, edits=edits, logits=True).logits, logits, **TOLERANCE)


@pytest.mark.parametrize("operation", CHANGES)
def test_positions_say_where_an_edit_applies(subject: Subject, ids: Tensor, operation: Operation) -> None:
    where, value = site(1, "resid_post"), noise(32)
    mask = noise(*ids.shape, seed=4) > 0
    everywhere = CHANGES[operation](value)
    _, logits = plain_run(
        subject.module, ids, edits=[(where, lambda x: torch.where(mask[..., None], everywhere(x), x))]
    )
    run = subject.run(ids, edits=[Edit(where, operation, value, mask)], logits=True)
    torch.testing.assert_close(run.logits, logits, **TOLERANCE)


def test_a_value_may_differ_by_text_and_token(subject: Subject, ids: Tensor) -> None:
    where, value = site(0, "mlp_out"), noise(*ids.shape, 32)
    _, logits = plain_run(subject.module, ids, edits=[(where, lambda x: x + value)])
    torch.testing.assert_close(
        subject.run(ids, edits=[Edit(where, Operation.ADD, value)], logits=True).logits, logits, **TOLERANCE
    )


def test_projecting_out_a_vector_of_zeros_changes_nothing(subject: Subject, ids: Tensor, clean) -> None:
    edit = Edit(site(1, "resid_post"), Operation.PROJECT_OUT, torch.zeros(32))
    torch.testing.assert_close(subject.run(ids, edits=[edit], logits=True).logits, clean[1], **TOLERANCE)


def test_an_edit_leaves_nothing_behind(subject: Subject, ids: Tensor, clean) -> None:
    subject.run(ids, edits=[Edit(site(1, "resid_post"), Operation.SET, torch.zeros(32))], logits=True)
    torch.testing.assert_close(subject.run(ids, logits=True).logits, clean[1], **TOLERANCE)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_resuming_from_a_site_equals_the_whole_run(subject: Subject, ids: Tensor, clean, layer: int) -> None:
    start = (site(layer, "resid_post"), clean[0][site(layer, "resid_post")])
    value = noise(*ids.shape, 32)
    edits = [Edit(site(layer, "resid_post"), Operation.ADD, value)]
    if layer < 2:
        edits.append(Edit(site(2, "mlp_out"), Operation.SCALE, torch.tensor(0.3)))
    capture = [site(layer, "resid_post"), site(2, "resid_post"), site(0, "final")]
    whole = subject.run(ids, capture=capture, edits=edits, logits=True)
    resumed = subject.run(ids, capture=capture, edits=edits, logits=True, start=start)
    torch.testing.assert_close(resumed.logits, whole.logits, **TOLERANCE)
    for where in capture:
        torch.testing.assert_close(resumed.sites[where], whole.sites[where], **TOLERANCE)


def test_resuming_uses_what_is_given_and_not_the_blocks_before(subject: Subject, ids: Tensor) -> None:
    where, value = site(1, "resid_post"), noise(*ids.shape, 32)
    _, logits = plain_run(subject.module, ids, edits=[(where, lambda x: value)])
    torch.testing.assert_close(subject.run(ids, logits=True, start=(where, value)).logits, logits, **TOLERANCE)


@pytest.mark.parametrize(
    ("start", "capture", "message"),
    [
        (site(1, "resid_post"), site(1, "mlp_out"), "resumes from resid_post.1 does not come by mlp_out.1"),
        (site(1, "resid_post"), site(0, "resid_post"), "does not come by resid_post.0"),
        (site(0, "resid_post"), site(0, "embed"), "does not come by embed.0"),
        (site(1, "mlp_out"), site(2, "resid_post"), "resumes from a resid_post, not from mlp_out.1"),
        (site(3, "resid_post"), site(0, "final"), "has no layer 3: there are 0 to 2"),
    ],
)
def test_a_run_cannot_resume_behind_what_it_is_to_read(
    subject: Subject, ids: Tensor, start: Site, capture: Site, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        subject.run(ids, capture=[capture], start=(start, torch.zeros(*ids.shape, 32)))


def test_padding_on_the_right_changes_no_real_token(subject: Subject, ids: Tensor) -> None:
    where = site(2, "resid_post")
    batch = subject.run(ids, capture=[where], logits=True)
    lengths = [1 + len(subject.encode(text)) for text in TEXTS]
    assert len(set(lengths)) > 1
    for row, length in enumerate(lengths):
        alone = subject.run(ids[row : row + 1, :length], capture=[where], logits=True)
        torch.testing.assert_close(batch.sites[where][row, :length], alone.sites[where][0], **TOLERANCE)
        torch.testing.assert_close(batch.logits[row, :length], alone.logits[0], **TOLERANCE)
    other = ids.clone()
    for row, length in enumerate(lengths):
        other[row, length:] = 7
    edited = subject.run(other, logits=True).logits
    for row, length in enumerate(lengths):
        torch.testing.assert_close(batch.logits[row, :length], edited[row, :length], **TOLERANCE)


def test_pad_fills_up_with_bos(subject: Subject) -> None:
    assert subject.pad([[5, 6, 7], [8]]).tolist() == [[5, 6, 7], [8, subject.bos, subject.bos]]


def test_usage_counts_passes_and_tokens(model_folder: Path, ids: Tensor) -> None:
    fresh = Subject.load(str(model_folder))
    assert (fresh.usage.forward_passes, fresh.usage.tokens) == (0, 0)
    fresh.run(ids, logits=True)
    fresh.run(ids[:1, :4], capture=[site(0, "embed")])
    assert (fresh.usage.forward_passes, fresh.usage.tokens) == (2, ids.numel() + 4)
    with pytest.raises(ModelError):
        fresh.run(ids, capture=[site(9, "resid_post")])
    assert fresh.usage.forward_passes == 2


def test_the_unembedding_gives_the_logits_of_a_normalised_stream(subject: Subject, ids: Tensor, clean) -> None:
    stream = clean[0][site(2, "resid_post")]
    root = (stream.square().mean(-1, keepdim=True) + subject.module.config.rms_norm_eps).sqrt()
    torch.testing.assert_close((stream / root) @ subject.unembedding.T, clean[1], rtol=1e-4, atol=1e-4)


def test_strings_are_the_tokens_as_text(subject: Subject) -> None:
    assert len(subject.strings) == subject.module.config.vocab_size
    text = "def f(x):\n    return [x, 'a b']  # done\n"
    assert "".join(subject.strings[i] for i in subject.encode(text)) == text
    assert subject.strings[subject.encode("é")[0]] == "�"


def test_an_unknown_layer_gives_the_range(subject: Subject, ids: Tensor) -> None:
    with pytest.raises(ModelError, match="has no layer 3: there are 0 to 2"):
        subject.run(ids, capture=[site(3, "resid_post")])


def test_a_text_longer_than_the_context_is_refused(subject: Subject) -> None:
    subject.run(torch.zeros(1, 64, dtype=torch.int64))
    with pytest.raises(ModelError, match="65 tokens are more than the context of 64"):
        subject.run(torch.zeros(1, 65, dtype=torch.int64))


@pytest.mark.parametrize("operation", CHANGES)
@pytest.mark.parametrize("shape", [(31,), (9, 1, 32)])
def test_an_edit_that_does_not_fit_names_both_shapes(
    subject: Subject, ids: Tensor, operation: Operation, shape: tuple[int, ...]
) -> None:
    edit = Edit(site(1, "resid_post"), operation, torch.ones(shape))
    with pytest.raises(ModelError, match=r"edit at resid_post.1 does not fit: value .* against activations") as caught:
        subject.run(ids, edits=[edit], logits=True)
    assert str(shape) in str(caught.value)
    assert str((*ids.shape, 32)) in str(caught.value)


@pytest.mark.parametrize(
    ("places", "message"),
    [
        (torch.tensor([0]), r"of each of 2 texts are asked for by int64 \[batch\], not torch\.int64 \(1,\)"),
        (torch.tensor([0.0, 1.0]), r"not torch\.float32 \(2,\)"),
        (torch.tensor([0, 8]), "no column 8 to read logits after: give 0 to 7"),
        (torch.tensor([-1, 0]), "no column -1"),
    ],
)
def test_columns_to_read_logits_after_are_columns_of_the_texts(subject: Subject, places: Tensor, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        subject.run(torch.tensor([[0, 70, 71, 72, 73, 74, 75, 76]] * 2), logits=places)


def test_positions_that_do_not_fit_are_named(subject: Subject, ids: Tensor) -> None:
    edit = Edit(site(1, "resid_post"), Operation.ADD, torch.ones(32), torch.ones(1, 2, dtype=torch.bool))
    with pytest.raises(ModelError, match=r"at positions \(1, 2\)"):
        subject.run(ids, edits=[edit], logits=True)


def test_the_verbose_flag_of_another_program_does_no_harm(model_folder: Path) -> None:
    code = f"""
import sys, torch
from autointerp.models import Edit, Operation, Subject
from autointerp.records import Site
subject = Subject.load({str(model_folder)!r})
where = Site(layer=1, kind="resid_post")
run = subject.run(torch.tensor([[0, 70, 71]]), capture=[where], edits=[Edit(where, Operation.SCALE, torch.zeros(1))])
assert run.sites[where].abs().max() == 0
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, "-v"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
