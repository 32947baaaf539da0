"""A stage whose explanations say what the feature does to the output too."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType

from autointerp.agents import EFFECT_PASSES, measured_claims, with_effects
from autointerp.labelling._label import Attempt
from autointerp.labelling._stage import Stage
from autointerp.models import Worker
from autointerp.study import Laboratory, bench_of


class WithEffects:
    """Another stage, with what ablating and steering does to the next token measured after it. A context manager.

    What has no program, or a model without logits, is left as it is.
    """

    def __init__(self, stage: Stage, laboratory: Laboratory) -> None:
        self.name = stage.name
        self._stage, self._laboratory = stage, laboratory
        self._held = ExitStack()

    def __enter__(self) -> WithEffects:
        if self._laboratory.subject._worker is None:
            self._held.enter_context(Worker(self._laboratory.subject))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    async def attempt(self, feature: int, before: Sequence[Attempt]) -> Attempt:
        """As the protocol says."""
        attempt = await self._stage.attempt(feature, before)
        if attempt.explanation.predictor is None or not self._laboratory.subject.has_logits:
            return attempt
        began = time.monotonic()
        bench = bench_of(self._laboratory, self._laboratory.feature(feature))
        explanation = with_effects(attempt.explanation, await asyncio.to_thread(measured_claims, bench))
        cost = attempt.cost.model_copy(
            update={
                "seconds": attempt.cost.seconds + time.monotonic() - began,
                "forward_passes": attempt.cost.forward_passes + EFFECT_PASSES,
            }
        )
        return attempt.model_copy(update={"explanation": explanation, "cost": cost})
