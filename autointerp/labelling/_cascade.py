"""The cascade: many features at a time, each through the stages until one suffices, each row written as it is settled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from autointerp._version import __version__
from autointerp.errors import AutointerpError, BudgetError
from autointerp.labelling._index_work import Graded
from autointerp.labelling._label import Attempt, Label, Settled
from autointerp.labelling._stage import Stage
from autointerp.labelling._store import LabelStore, now
from autointerp.labelling._workers import Workers
from autointerp.records import Cost, FeatureRef, RunRecord, Score, Unscored, Versions
from autointerp.scoring import beats

#: A refine-split correlation with which a feature is done.
ENOUGH = 0.7
#: So many failures one after the other have one cause, and the next feature would meet it too.
MOST_FAILURES = 20


def _unheard(label: Label) -> None:
    del label


@dataclass(frozen=True, slots=True)
class Cascade:
    """What labelling needs beside the store.

    Attributes
    ----------
    stages: the cheapest first; none has the name of another.
    workers: where explanations are graded.
    reference: a feature's address by its number.
    versions: what records say they were made with.
    enough: the refine-split correlation from which on no dearer stage is tried.
    concurrency: features under way at a time.
    """

    stages: Sequence[Stage]
    workers: Workers
    reference: Callable[[int], FeatureRef]
    versions: Versions
    enough: float = ENOUGH
    concurrency: int = 4

    def pending(self, store: LabelStore, features: Iterable[int]) -> list[int]:
        """The features that are not done: without a row, failed, or not good enough while a stage is left to try."""
        tried = store.attempted()
        done = {
            label.feature
            for label in store.labels()
            if label.status == "labelled"
            and (self.suffices(label.refine) or all(s.name in tried.get(label.feature, ()) for s in self.stages))
        }
        return [feature for feature in features if feature not in done]

    async def run(
        self, store: LabelStore, features: Iterable[int], listener: Callable[[Label], None] = _unheard
    ) -> None:
        """Label what is pending of these features; `listener` is told each row once it is written.

        Raises AutointerpError with the cause after 20 failures in a row. Whenever it ends, every row that was written stays,
        and what a stage handed in for the other features does too: run again, it goes on from there.
        """
        await _Run(self, store, listener).label(self.pending(store, features))

    def suffices(self, refine: float | None) -> bool:
        """Whether a feature of this refine-split correlation is done."""
        return refine is not None and refine >= self.enough


class _Run:
    """One run of a cascade: which stages are out of money, and how many failures came in a row."""

    def __init__(self, cascade: Cascade, store: LabelStore, listener: Callable[[Label], None]) -> None:
        self._cascade, self._store, self._listener = cascade, store, listener
        self._closed: dict[str, str] = {}
        self._failures = 0

    async def label(self, features: Sequence[int]) -> None:
        remaining = iter(features)
        lanes = min(self._cascade.concurrency, len(features))
        tasks = [asyncio.create_task(self._lane(remaining)) for _ in range(lanes)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _lane(self, remaining: Iterator[int]) -> None:
        for feature in remaining:
            label, failure = await self._one(feature)
            self._listener(label)
            self._failures = self._failures + 1 if failure else 0
            if self._failures >= MOST_FAILURES:
                raise AutointerpError(
                    f"{self._failures} features failed in a row, the last ({feature}) with: {failure}; what was labelled is"
                    " kept: remove the cause, then the same command goes on from there"
                )

    async def _one(self, feature: int) -> tuple[Label, str | None]:
        """The row of a feature, and what failed on the way to it."""
        attempts, failure, closed = await self._attempts(feature)
        best = max(attempts, key=lambda a: -1.0 if a.refine is None else a.refine, default=None)
        if best is not None:
            try:
                graded = await self._cascade.workers.grade(feature, best.explanation)
                settled = self._settled(feature, attempts, best, graded, failure or closed)
                return self._store.settle(settled), failure
            except AutointerpError as error:
                failure = f"grading: {error}"
        cause = failure or closed or "no stage was tried"
        failed = Label(feature=feature, status="failed", error=cause, at=now(), version=__version__)
        return self._store.settle(Settled(label=failed)), cause

    async def _attempts(self, feature: int) -> tuple[list[Attempt], str | None, str | None]:
        """What the stages handed in by now; why one failed; why one was not asked."""
        attempts = self._store.attempts(feature)
        known = {attempt.stage for attempt in attempts}
        for stage in self._cascade.stages:
            if any(self._cascade.suffices(attempt.refine) for attempt in attempts):
                break
            if stage.name in known:
                continue
            if stage.name in self._closed:
                return attempts, None, self._closed[stage.name]
            try:
                attempt = await stage.attempt(feature, attempts)
            except BudgetError as error:
                self._closed[stage.name] = f"{stage.name}: {error}"
                return attempts, None, self._closed[stage.name]
            except AutointerpError as error:
                return attempts, f"{stage.name}: {error}", None
            self._store.add(feature, attempt)
            attempts.append(attempt)
        return attempts, None, None

    def _settled(
        self, feature: int, attempts: Sequence[Attempt], best: Attempt, graded: Graded, error: str | None
    ) -> Settled:
        costs = [attempt.cost for attempt in attempts]
        cost = Cost(
            seconds=sum(c.seconds for c in costs),
            forward_passes=sum(c.forward_passes for c in costs),
            tokens=sum(c.tokens for c in costs),
            dollars=sum(c.dollars for c in costs),
        )
        record = RunRecord(
            feature=self._cascade.reference(feature),
            stats=graded.stats,
            explanation=best.explanation,
            scores=(graded.simulation,),
            evidence=tuple(evidence for attempt in attempts for evidence in attempt.evidence),
            examples=graded.examples,
            cost=cost,
            versions=self._cascade.versions,
        )
        return Settled(label=_row(record, attempts, best, error), record=record)


def _row(record: RunRecord, attempts: Sequence[Attempt], best: Attempt, error: str | None) -> Label:
    explanation, (result,) = record.explanation, record.scores
    scored = {"unscored": result.reason} if isinstance(result, Unscored) else _scored(result)
    program = explanation.predictor
    return Label.model_validate(
        {
            "feature": record.feature.index,
            "status": "labelled",
            "stage": best.stage,
            "stages": " ".join(attempt.stage for attempt in attempts),
            "verdict": explanation.verdict.value,
            "confidence": explanation.confidence,
            "refine": best.refine,
            "density": record.stats.density,
            "maximum": record.stats.maximum,
            "summary": explanation.summary,
            "fires_on": explanation.fires_on,
            "promotes": explanation.promotes,
            "program": program.source if program else None,
            "lines": program.lines if program else None,
            "seconds": record.cost.seconds,
            "forward_passes": record.cost.forward_passes,
            "dollars": record.cost.dollars,
            "error": error,
            "at": now(),
            "version": __version__,
        }
        | scored
    )


def _scored(score: Score) -> dict[str, Any]:
    return {
        "simulation": score.value,
        "low": score.ci[0],
        "high": score.ci[1],
        "control": max(score.control.values(), default=None),
        "beats": beats(score),
        "explained_variance": score.also.get("explained_variance"),
        "n": score.n,
    }
