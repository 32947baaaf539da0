"""A bench on the tiny model, of a feature that fires."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from autointerp.study import Laboratory
from autointerp.tools import Toolbox, Workbench
from tests.tools.benches import bench_of

FEATURE = 3


@pytest.fixture(scope="session")
def bench(laboratory: Laboratory) -> Workbench:
    return bench_of(laboratory, FEATURE)


@pytest.fixture
def toolbox(bench: Workbench) -> Iterator[Toolbox]:
    with Toolbox(bench) as made:
        yield made
