"""Effects of interventions equal those of torch's own hooks and of torch's own divergence."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import kl_div

from autointerp.circuits import Prompts, clean_run, divergence_of, next_token_change, prompts_of
from autointerp.models import Subject
from autointerp.records import Site, SiteKind
from tests.models.plain import plain_run

SITE = Site(layer=1, kind=SiteKind.RESID_POST)
LINES = ("def f(a):", "x = [1, 2]\n", "return", "for i in range(10): print(i)", "import os, sys\n")
TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def texts(subject: Subject) -> list[list[int]]:
    """More than go into one batch."""
    return [[subject.bos, *subject.encode(line + str(i))] for i, line in enumerate(LINES * 8)]


@pytest.fixture(scope="module")
def prompts(subject: Subject, texts: list[list[int]]) -> Prompts:
    places = torch.tensor([len(text) - 1 - i % 2 for i, text in enumerate(texts)])
    return prompts_of(subject, SITE, subject.pad(texts), places)


def test_prompts_keep_the_clean_run(subject: Subject, prompts: Prompts, texts: list[list[int]]) -> None:
    assert len(prompts) == 40
    seen, logits = plain_run(subject.module, prompts.ids, capture=[SITE])
    torch.testing.assert_close(prompts.resid, seen[SITE], **TOLERANCE)
    for row, place in enumerate(prompts.places.tolist()):
        torch.testing.assert_close(prompts.logits[row], logits[row, place], **TOLERANCE)


def test_the_change_is_that_of_a_hook_at_the_place(subject: Subject, prompts: Prompts) -> None:
    added = noise(len(prompts), subject.width)
    found = next_token_change(subject, prompts, added)

    def change(x: Tensor) -> Tensor:
        x = x.clone()
        for row, place in enumerate(prompts.places.tolist()):
            x[row, place] += added[row]
        return x

    _, clean = plain_run(subject.module, prompts.ids)
    _, edited = plain_run(subject.module, prompts.ids, edits=[(SITE, change)])
    rows = torch.arange(len(prompts))
    difference = (edited - clean)[rows, prompts.places]
    expected = difference - difference.mean(1, keepdim=True)
    torch.testing.assert_close(found, expected, **TOLERANCE)
    assert found.abs().max() > 0.5


def test_adding_nothing_changes_nothing(subject: Subject, prompts: Prompts) -> None:
    change = next_token_change(subject, prompts, torch.zeros(len(prompts), subject.width))
    assert change.abs().max() < 1e-4


def test_a_prompt_does_not_touch_its_neighbours(subject: Subject, prompts: Prompts) -> None:
    added = torch.zeros(len(prompts), subject.width)
    added[3] = noise(subject.width)
    change = next_token_change(subject, prompts, added)
    assert change[3].abs().max() > 0.1
    assert change[[i for i in range(len(prompts)) if i != 3]].abs().max() < 1e-4


def test_divergence_is_torchs_in_the_mean_over_real_tokens(subject: Subject, texts: list[list[int]]) -> None:
    ids, lengths = subject.pad(texts), torch.tensor([len(text) for text in texts])
    direction = noise(subject.width, seed=1)
    true = noise(*ids.shape, seed=2).relu()
    replacements = [noise(*ids.shape, seed=3).relu(), torch.zeros(ids.shape), true.clone()]
    found = divergence_of(subject, SITE, direction, ids, lengths, true, replacements)
    assert found.shape == (3, len(texts))

    _, clean = plain_run(subject.module, ids)
    for row, replacement in enumerate(replacements):
        difference = torch.einsum("bt,d->btd", replacement - true, direction)
        _, edited = plain_run(subject.module, ids, edits=[(SITE, lambda x, added=difference: x + added)])
        for text, length in enumerate(lengths.tolist()):
            p, q = (run[text, 1:length].log_softmax(-1) for run in (clean, edited))
            expected = kl_div(q, p, log_target=True, reduction="sum") / (length - 1)
            torch.testing.assert_close(found[row, text], expected, rtol=1e-3, atol=1e-5)
    assert found[:2].min() > 0.01
    assert found[2].max() < 1e-5
    assert (found >= 0).all()


def test_one_clean_run_serves_for_everything(subject: Subject, texts: list[list[int]]) -> None:
    ids, lengths = subject.pad(texts), torch.tensor([len(text) for text in texts])
    clean = clean_run(subject, SITE, ids)
    seen, logits = plain_run(subject.module, ids, capture=[SITE])
    torch.testing.assert_close(clean.sites[SITE], seen[SITE], **TOLERANCE)
    torch.testing.assert_close(clean.logits, logits, **TOLERANCE)

    before = subject.usage.forward_passes
    given = prompts_of(subject, SITE, ids, lengths - 1, clean=clean)
    assert subject.usage.forward_passes == before
    made = prompts_of(subject, SITE, ids, lengths - 1)
    torch.testing.assert_close(given.logits, made.logits, **TOLERANCE)
    torch.testing.assert_close(given.resid, made.resid, **TOLERANCE)

    parts = (subject, SITE, noise(subject.width), ids, lengths, torch.zeros(ids.shape), [noise(*ids.shape, seed=5)])
    torch.testing.assert_close(divergence_of(*parts, clean=clean), divergence_of(*parts), rtol=1e-3, atol=1e-5)


def test_divergence_does_not_look_at_padding(subject: Subject, texts: list[list[int]]) -> None:
    ids, lengths = subject.pad(texts), torch.tensor([len(text) for text in texts])
    direction, true = noise(subject.width), torch.zeros(ids.shape)
    padding = torch.arange(ids.shape[1])[None, :] >= lengths[:, None]
    assert divergence_of(subject, SITE, direction, ids, lengths, true, [padding * 10.0]).max() < 1e-5
