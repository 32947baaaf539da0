"""Opening a bench without a study."""

from __future__ import annotations

from autointerp.activations import feature_stats
from autointerp.study import Laboratory
from autointerp.tools import Workbench


def bench_of(laboratory: Laboratory, feature: int) -> Workbench:
    return Workbench(
        subject=laboratory.subject,
        dictionary=laboratory.dictionary,
        feature=laboratory.feature(feature),
        stats=feature_stats(laboratory.subject, laboratory.dictionary, laboratory.index, feature),
        train=laboratory.index.train,
        seed=laboratory.seed,
        held_out=laboratory.index.held_out,
    )
