"""What a stage of the cascade is, and the first and cheapest of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from autointerp.labelling._index_work import RULES
from autointerp.labelling._label import Attempt
from autointerp.labelling._workers import Workers


class Stage(Protocol):
    """One way to explain a feature, dearer than those before it in the cascade."""

    name: str

    async def attempt(self, feature: int, before: Sequence[Attempt]) -> Attempt:
        """Explain a feature; `before` is what cheaper stages handed in. Called for several features at a time.

        Raises BudgetError where the money is gone, after which no more features come to this stage, and another
        AutointerpError where this feature cannot be explained.
        """
        ...


class Rules:
    """The rule learner, in worker processes and from the index alone: free, and without a forward pass."""

    name = RULES

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    async def attempt(self, feature: int, before: Sequence[Attempt]) -> Attempt:
        """As the protocol says."""
        del before
        return await self._workers.learn(feature)
