"""Opening a bench without a study."""

from __future__ import annotations

from autointerp.study import Laboratory
from autointerp.study._bench import bench_of as open_on
from autointerp.tools import Workbench


def bench_of(laboratory: Laboratory, feature: int) -> Workbench:
    return open_on(laboratory, laboratory.feature(feature))
