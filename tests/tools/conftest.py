"""A bench on the tiny model, of a feature that fires."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from autointerp.models import Subject
from autointerp.study import Laboratory
from autointerp.tools import Toolbox, Workbench
from tests.tools.benches import bench_of
from tests.tools.hooks import Plain

#: One that fires at some tokens of most texts, and a text that activates it at several.
FEATURE = 3
TEXT = "def build_item(self, path):\n    return name\n"


@pytest.fixture(scope="session")
def bench(laboratory: Laboratory) -> Workbench:
    return bench_of(laboratory, FEATURE)


@pytest.fixture
def toolbox(bench: Workbench) -> Iterator[Toolbox]:
    with Toolbox(bench) as made:
        yield made


@pytest.fixture(scope="session")
def plain(subject: Subject, dictionary_folder: Path) -> Plain:
    return Plain(subject, dictionary_folder)
