"""The strategy `oneshot`: a language model sees the examples once and answers; what peers' explainers do."""

from __future__ import annotations

import asyncio
from typing import Any

from autointerp.agents._case import Case, within
from autointerp.agents._conclude import conclude
from autointerp.agents._protocol import Proposal, Report
from autointerp.agents._standings import Book
from autointerp.agents._steps import Steps, hypothesis_of
from autointerp.agents._tried import hand_in
from autointerp.errors import AnswerError, BudgetError


class OneShot:
    """One question, one answer; a program that does not run is given back once."""

    needs_llm = True

    async def run(self, case: Case) -> Report:
        """As the protocol says."""
        steps = Steps(case)
        try:
            seen = await asyncio.to_thread(lambda: steps.seen)
            if not seen.enough:
                return conclude(case, seen, "there is too little to learn from")
            case.tell("step", "asking once")
            proposal = await within(case, _answer(case, steps))
        except (BudgetError, AnswerError) as error:
            return conclude(case, None, str(error))
        return await asyncio.to_thread(hand_in, case, hypothesis_of(proposal, "h0.1", 0), "it was asked once")


async def _answer(case: Case, steps: Steps) -> Proposal:
    from autointerp.agents._llm_scientist import ask, fault, first_look, language
    from autointerp.agents._shapes import HypothesisShape, proposals_of
    from autointerp.llm import assistant, user

    assert case.llm is not None
    view = Book.of(case).view(case, steps.seen, 0)

    def values(share: float) -> dict[str, Any]:
        return first_look(view, share) | language()

    shape, asked = await ask(case.llm, "oneshot", values, HypothesisShape)
    if (wrong := await asyncio.to_thread(fault, shape, view)) is not None:
        told = f"The program fails; answer again, with one that runs.\n{wrong}"
        reply = await case.llm.ask(asked.followed_by([assistant(shape.model_dump_json()), user(told)]))
        shape = reply.value or shape
    return proposals_of([shape], view)[0]
