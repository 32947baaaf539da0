"""Effects of interventions equal those of torch's own hooks and of torch's own divergence."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import kl_div

from autointerp.circuits import CleanRun, clean_run, damage_of, next_token_change
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
def clean(subject: Subject, texts: list[list[int]]) -> CleanRun:
    return clean_run(subject, [SITE], subject.pad(texts))


@pytest.fixture(scope="module")
def places(texts: list[list[int]]) -> Tensor:
    return torch.tensor([len(text) - 1 - i % 2 for i, text in enumerate(texts)])


def test_the_clean_run_is_what_hooks_see(subject: Subject, clean: CleanRun) -> None:
    assert len(clean) == 40
    seen, logits = plain_run(subject.module, clean.ids, capture=[SITE])
    torch.testing.assert_close(clean.sites[SITE], seen[SITE], **TOLERANCE)
    torch.testing.assert_close(clean.output, logits, **TOLERANCE)
    some = clean.some([3, 1])
    torch.testing.assert_close(some.output, logits[[3, 1]], **TOLERANCE)
    torch.testing.assert_close(some.sites[SITE], seen[SITE][[3, 1]], **TOLERANCE)
    assert some.ids.tolist() == clean.ids[[3, 1]].tolist()


def test_the_change_is_that_of_a_hook_at_the_place(subject: Subject, clean: CleanRun, places: Tensor) -> None:
    added = noise(len(clean), subject.width)
    found = next_token_change(clean, places, {SITE: added})

    def change(x: Tensor) -> Tensor:
        x = x.clone()
        for row, place in enumerate(places.tolist()):
            x[row, place] += added[row]
        return x

    _, before = plain_run(subject.module, clean.ids)
    _, edited = plain_run(subject.module, clean.ids, edits=[(SITE, change)])
    rows = torch.arange(len(clean))
    difference = (edited - before)[rows, places]
    expected = difference - difference.mean(1, keepdim=True)
    torch.testing.assert_close(found, expected, **TOLERANCE)
    assert found.abs().max() > 0.5


def test_adding_nothing_changes_nothing(subject: Subject, clean: CleanRun, places: Tensor) -> None:
    change = next_token_change(clean, places, {SITE: torch.zeros(len(clean), subject.width)})
    assert change.abs().max() < 1e-4


def test_a_prompt_does_not_touch_its_neighbours(subject: Subject, clean: CleanRun, places: Tensor) -> None:
    added = torch.zeros(len(clean), subject.width)
    added[3] = noise(subject.width)
    change = next_token_change(clean, places, {SITE: added})
    assert change[3].abs().max() > 0.1
    assert change[[i for i in range(len(clean)) if i != 3]].abs().max() < 1e-4


def test_damage_is_torchs_divergence_in_the_mean_over_real_tokens(subject: Subject, texts: list[list[int]]) -> None:
    ids, lengths = subject.pad(texts), torch.tensor([len(text) for text in texts])
    directions = {
        SITE: noise(subject.width, seed=1),
        Site(layer=0, kind=SiteKind.MLP_OUT): noise(subject.width, seed=4),
    }
    amounts = [noise(*ids.shape, seed=3), noise(*ids.shape, seed=2).relu(), torch.zeros(ids.shape)]
    for writes in (dict([pair]) for pair in directions.items()):
        found = damage_of(clean_run(subject, writes, ids), writes, lengths, amounts)
        expected = plain_damage(subject, writes, ids, lengths, amounts)
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)
        assert found[:2].min() > 0.01
        assert found[2].max() < 1e-5
        assert (found >= 0).all()
    together = damage_of(clean_run(subject, directions, ids), directions, lengths, amounts)
    torch.testing.assert_close(together, plain_damage(subject, directions, ids, lengths, amounts), rtol=1e-3, atol=1e-5)


def plain_damage(
    subject: Subject, writes: dict[Site, Tensor], ids: Tensor, lengths: Tensor, amounts: list[Tensor]
) -> Tensor:
    _, before = plain_run(subject.module, ids)
    rows = []
    for amount in amounts:
        added = {site: torch.einsum("bt,d->btd", amount, direction) for site, direction in writes.items()}
        edits = [(site, lambda x, value=value: x + value) for site, value in added.items()]
        _, after = plain_run(subject.module, ids, edits=edits)
        row = []
        for text, length in enumerate(lengths.tolist()):
            p, q = (run[text, 1:length].log_softmax(-1) for run in (before, after))
            row.append(kl_div(q, p, log_target=True, reduction="sum") / (length - 1))
        rows.append(torch.stack(row))
    return torch.stack(rows)


def test_damage_does_not_look_at_padding(subject: Subject, clean: CleanRun, texts: list[list[int]]) -> None:
    lengths = torch.tensor([len(text) for text in texts])
    padding = (torch.arange(clean.ids.shape[1])[None, :] >= lengths[:, None]).float()
    assert damage_of(clean, {SITE: noise(subject.width)}, lengths, [padding * 10.0]).max() < 1e-5
