"""Interventions at a site that is not the whole residual stream: nothing can be skipped, and the effect is the same."""

from __future__ import annotations

import pytest
import torch

from autointerp.circuits import clean_run, damage_of, next_token_change
from autointerp.models import Subject
from autointerp.records import Site, SiteKind


@pytest.mark.parametrize("kind", [SiteKind.RESID_PRE, SiteKind.MLP_OUT, SiteKind.ATTN_OUT])
def test_a_direction_added_elsewhere_moves_the_logits_as_by_a_plain_hook(subject: Subject, kind: SiteKind) -> None:
    ids = torch.tensor([[subject.bos, 5, 6, 7], [subject.bos, 9, 8, 7]])
    places = torch.tensor([2, 3])
    added = torch.randn(2, subject.width, generator=torch.Generator().manual_seed(0))
    site = Site(layer=1, kind=kind)
    block = subject.module.model.layers[1]

    def add(value: torch.Tensor) -> torch.Tensor:
        value = value.clone()
        value[torch.arange(2), places] += added
        return value

    hooks = {
        SiteKind.RESID_PRE: lambda: block.register_forward_pre_hook(lambda _, args: (add(args[0]), *args[1:])),
        SiteKind.MLP_OUT: lambda: block.mlp.register_forward_hook(lambda _, __, out: add(out)),
        SiteKind.ATTN_OUT: lambda: block.self_attn.register_forward_hook(lambda _, __, out: (add(out[0]), *out[1:])),
    }
    with torch.no_grad():
        clean = subject.module(ids).logits
        handle = hooks[kind]()
        edited = subject.module(ids).logits
        handle.remove()
    expected = (edited - clean)[torch.arange(2), places]
    expected = expected - expected.mean(1, keepdim=True)
    found = next_token_change(clean_run(subject, [site], ids), places, {site: added})
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_replacing_nothing_elsewhere_costs_nothing(subject: Subject) -> None:
    ids = torch.tensor([[subject.bos, 5, 6, 7]])
    site = Site(layer=0, kind=SiteKind.MLP_OUT)
    amounts = [torch.zeros(1, 4), torch.full((1, 4), 2.0)]
    costs = damage_of(clean_run(subject, [site], ids), {site: torch.ones(subject.width)}, torch.tensor([4]), amounts)
    assert costs[0, 0] < 1e-9
    assert costs[1, 0] > 1e-7
