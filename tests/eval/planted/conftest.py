"""One organism for the tests that only look at it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from autointerp.eval.organisms.planted import Host, Order, PlantedOrganism, plant_in
from tests.eval.planted.known import KINDS, Plain, gpt2, host, llama

HOSTS: dict[str, tuple[Callable[[Path], Path], str, str]] = {
    "llama": (llama, "post", "network.model.layers.1"),
    "gpt2": (gpt2, "pre", "network.transformer.h.0"),
}


@pytest.fixture(scope="module", params=list(HOSTS))
def family(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def any_host(family: str, tmp_path_factory: pytest.TempPathFactory) -> Host:
    make, kind, _ = HOSTS[family]
    folder = tmp_path_factory.mktemp(family)
    return host(folder, make(folder / "model"), kind=kind)


@pytest.fixture(scope="module")
def exact(any_host: Host) -> PlantedOrganism:
    """Without noise."""
    return plant_in(any_host, Order(KINDS, seed=3, noise=0.0, strength=0.3))


@pytest.fixture(scope="module")
def plain(exact: PlantedOrganism, family: str, tmp_path_factory: pytest.TempPathFactory) -> Plain:
    saved = exact.save(tmp_path_factory.mktemp("saved"))
    return Plain(saved.subject, HOSTS[family][2])


@pytest.fixture(scope="module")
def small_host(tmp_path_factory: pytest.TempPathFactory) -> Host:
    folder = tmp_path_factory.mktemp("host")
    return host(folder, llama(folder / "model"))
