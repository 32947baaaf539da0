"""Attempts, graded results and workers made by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from autointerp.errors import AutointerpError
from autointerp.labelling import Attempt, Cascade
from autointerp.labelling._index_work import Graded
from autointerp.records import (
    Cost,
    Explanation,
    FeatureRef,
    FeatureStats,
    Program,
    Score,
    Site,
    SiteKind,
    Verdict,
    Versions,
)

VERSIONS = Versions(
    autointerp="0",
    python="3",
    torch="2",
    nnsight="0",
    transformers="5",
    model="m",
    dictionary="d",
    corpus="c",
    index="i",
    seed=0,
)
STATS = FeatureStats(
    tokens=100,
    active=10,
    density=0.1,
    maximum=2.0,
    mean_active=1.0,
    histogram_edges=(),
    histogram_counts=(),
    top_logits=(),
    bottom_logits=(),
    neighbours=(),
)
PROGRAM = "def predict(tokens):\n    return [1.0 for t in tokens]\n"


def attempt(stage: str, refine: float | None, *, summary: str = "Fires on <b> & `x`.", dollars: float = 0.0) -> Attempt:
    explanation = Explanation(
        summary=summary,
        fires_on=f"on what {stage} says",
        promotes="not measured",
        predictor=None if refine is None else Program(source=PROGRAM),
        verdict=Verdict.INSUFFICIENT_EVIDENCE if refine is None else Verdict.EXPLAINED,
        confidence=refine or 0.0,
    )
    return Attempt(stage=stage, explanation=explanation, refine=refine, cost=Cost(seconds=1.0, dollars=dollars))


def reference(feature: int) -> FeatureRef:
    return FeatureRef(model="m", dictionary="d", index=feature, site=Site(layer=2, kind=SiteKind.RESID_POST))


class Grades:
    """In the place of workers: every explanation scores 0.5; notes what was graded."""

    def __init__(self, fails: Sequence[int] = ()) -> None:
        self.graded: list[int] = []
        self._fails = set(fails)

    async def grade(self, feature: int, explanation: Explanation) -> Graded:
        await asyncio.sleep(0)
        if feature in self._fails:
            raise AutointerpError("no test split")
        self.graded.append(feature)
        score = Score(name="simulation", value=0.5, ci=(0.4, 0.6), n=64, control={"token_table": 0.3, "other": 0.1})
        return Graded(simulation=score, stats=STATS, examples=())


class Says:
    """A stage that hands in what a table says: a refine score, or an exception; notes whom it was asked about."""

    def __init__(self, name: str, table: Any, *, dollars: float = 0.0) -> None:
        self.name, self._table, self._dollars = name, table, dollars
        self.asked: list[int] = []
        self.before: dict[int, list[str]] = {}

    async def attempt(self, feature: int, before: Sequence[Attempt]) -> Attempt:
        self.asked.append(feature)
        self.before[feature] = [one.stage for one in before]
        await asyncio.sleep(0)
        found = self._table(feature)
        if isinstance(found, BaseException):
            raise found
        return attempt(self.name, found, dollars=self._dollars)


def cascade(*stages: Says, workers: Any = None, **options: Any) -> Cascade:
    return Cascade(list(stages), workers or Grades(), reference, VERSIONS, **options)
