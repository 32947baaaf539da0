"""The strategies of `autointerp explain` that ask a language model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

from autointerp.errors import InputError
from autointerp.eval._kits import laboratory_of
from autointerp.eval._protocol import Allowance, Question
from autointerp.eval.agents._studying import answer_of

#: The part of its time after which an investigation has to conclude, so that it hands in what it has.
_IN_TIME = 0.8


class _Strategy:
    """Explains a feature by a strategy, with the language model of AUTOINTERP_LLM, within the allowance."""

    name: ClassVar[str]
    summary: ClassVar[str]
    network = True
    answers = ("FeatureAnswer",)

    def answer(self, kit: Path, question: Question) -> dict[str, Any]:
        """See Agent. Raises InputError without a language model, and for a question that is about no feature."""
        from autointerp.study import explain_feature

        llm = os.environ.get("AUTOINTERP_LLM")
        if not llm:
            raise InputError(f"{self.name} needs a language model: give --llm")
        laboratory = laboratory_of(kit, question)
        record = _awaited(
            explain_feature(
                question.feature,
                laboratory=laboratory,
                strategy=self.name,
                llm=llm,
                budget=budget_of(question.allowance),
            )
        )
        passes = record.cost.forward_passes if record.ledger is None else record.ledger.spent.forward_passes
        return answer_of(record.explanation) | {"forward_passes": passes, "dollars": record.cost.dollars}


class Investigate(_Strategy):
    """Competing hypotheses, experiments, verdicts by code."""

    name = "investigate"
    summary = "the investigation of `autointerp explain`"


class React(_Strategy):
    """Free use of the tools."""

    name = "react"
    summary = "a language model that uses the tools as it likes"


class OneShot(_Strategy):
    """One question about top examples: what most published captions are."""

    name = "oneshot"
    summary = "a language model asked once about examples"


def budget_of(allowance: Allowance) -> str:
    """An allowance in the words of `--budget`."""
    parts = [f"{_IN_TIME * allowance.seconds:.0f}s"]
    if allowance.forward_passes is not None:
        parts.append(f"{allowance.forward_passes}passes")
    if allowance.dollars is not None:
        parts.append(f"{allowance.dollars:.6f}usd")
    return ",".join(parts)


def _awaited(coroutine: Any) -> Any:
    import asyncio

    return asyncio.run(coroutine)
