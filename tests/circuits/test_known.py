"""Circuits that are known by construction: their edges are found, and their causal models confirmed."""

from __future__ import annotations

import pytest

from benchmarks.circuits import explained, found_edges

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("level", [0, 1])
def test_the_edges_are_found(level: int) -> None:
    rows = {row.name: row.value for row in found_edges(["previous", "induction"], level, seed=0)}
    value = next(value for name, value in rows.items() if "re-check" in name)
    assert value >= 0.95


def test_the_causal_model_is_confirmed() -> None:
    value, twin = explained("two-back", 0, seed=0)
    assert value >= 0.95
    assert twin < value
