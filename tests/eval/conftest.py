"""Organisms that several tests look at."""

from __future__ import annotations

import pytest

from autointerp.eval.organisms import CircuitOrganism, make_organism


def circuit(name: str, seed: int = 7, **knobs: int) -> CircuitOrganism:
    made = make_organism(f"compiled/{name}", seed=seed, **knobs)
    assert isinstance(made, CircuitOrganism)
    return made


@pytest.fixture(scope="session")
def sorting() -> CircuitOrganism:
    return circuit("sort", length=4)


@pytest.fixture(scope="session")
def disguised_induction() -> CircuitOrganism:
    return circuit("induction", level=1)
