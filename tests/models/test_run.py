"""Requests that share a forward pass: each gets what it would have got alone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autointerp.errors import ModelError
from autointerp.models import Edit, Operation, Request, Subject
from autointerp.models._joining import together
from autointerp.models._run import run
from autointerp.records import Site
from tests.models.mixes import Draw, alone, assert_same


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9), st.integers(2, 6))
def test_requests_in_one_pass_are_answered_as_if_alone(subject: Subject, seed: int, count: int) -> None:
    draw = Draw(subject, seed)
    requests = [draw.request() for _ in range(count)]
    first = requests[0]
    # What the worker sees to: only these may share a pass.
    mates = [
        request
        for request in requests
        if bool(request.objectives) == bool(first.objectives) and (request.start is None) == (first.start is None)
    ]
    for request, found in zip(mates, run(subject._layout, mates), strict=True):
        assert_same(found, alone(subject, request), request)


def test_a_shared_pass_keeps_nothing_of_the_others(subject: Subject) -> None:
    """What is handed out is no view of what all have read together."""
    where = Site(layer=1, kind="resid_post")
    requests = [Request(subject.batch([[0, 70, 71]] * n), frozenset([where]), logits=True) for n in (1, 2)]
    for request, found in zip(requests, run(subject._layout, requests), strict=True):
        for x in (found.sites[where], found.logits):
            assert x.untyped_storage().nbytes() == x.numel() * x.element_size()
            assert len(x) == len(request.batch)


def test_a_start_has_to_fit_the_texts(subject: Subject) -> None:
    ids, where = torch.tensor([[0, 70, 71]]), Site(layer=0, kind="resid_post")
    with pytest.raises(ModelError, match=r"texts \(1, 3\) cannot resume from activations \(1, 2, 32\)"):
        subject.run(ids, logits=True, start=(where, torch.zeros(1, 2, 32)))


class Waiting:
    def __init__(self, key: str, rows: int, columns: int) -> None:
        self.key, self.rows, self.columns = key, rows, columns


WAITING = st.lists(
    st.builds(Waiting, st.sampled_from("ab"), st.integers(1, 3), st.integers(1, 40)), min_size=1, max_size=12
)


@settings(max_examples=200, deadline=None)
@given(WAITING, st.integers(1, 200), st.integers(0, 30))
def test_who_shares_a_pass(waiting: list[Waiting], budget: int, slack: int) -> None:
    chosen = together(waiting, budget=budget, slack=slack)
    assert waiting[0] in chosen
    assert len(set(map(id, chosen))) == len(chosen)
    assert {one.key for one in chosen} == {waiting[0].key}
    longest = max(one.columns for one in chosen)
    held, needed = sum(one.rows for one in chosen) * longest, sum(one.rows * one.columns for one in chosen)
    assert held <= budget or len(chosen) == 1
    assert held - needed <= slack * (len(chosen) - 1)


def test_the_nearest_in_length_share_a_pass() -> None:
    waiting = [Waiting("a", 1, columns) for columns in (10, 30, 11, 9, 29, 10)]
    assert sorted(one.columns for one in together(waiting, budget=100, slack=5)) == [9, 10, 10, 11]
    assert sorted(one.columns for one in together(waiting, budget=1000, slack=100)) == [9, 10, 10, 11, 29, 30]
    assert [one.columns for one in together(waiting[1:], budget=10, slack=100)] == [30]


def test_edits_of_one_operation_take_one_step(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many requests there are: a row's edit costs no operation of its own."""
    from autointerp.models import _apply

    steps = []
    plain = _apply._operate
    monkeypatch.setattr(_apply, "_operate", lambda *given: steps.append(given[0]) or plain(*given))
    where = Site(layer=1, kind="resid_post")
    edits = (Edit(where, Operation.ADD, torch.ones(32)), Edit(where, Operation.SCALE, torch.tensor(2.0)))
    requests = [Request(subject.batch([[0, 70 + n]]), frozenset([where]), edits) for n in range(9)]
    run(subject._layout, requests)
    assert steps == [Operation.ADD, Operation.SCALE]
