"""The investigation of a circuit: roles compete for each component, and a program for all of them."""

from __future__ import annotations

import asyncio

from autointerp.agents.circuits._case import CircuitCase
from autointerp.agents.circuits._conclude import conclude
from autointerp.agents.circuits._protocol import CircuitReport
from autointerp.agents.circuits._steps import CircuitSteps
from autointerp.agents.circuits._whole import explain, merge
from autointerp.errors import AnswerError, BudgetError


async def investigate_circuit(case: CircuitCase) -> CircuitReport:
    """Observe, propose, register, experiment, judge; revise what was refuted; then groups, then the program.

    A limit that is reached, or a first answer that is none, ends it with what there is. A language model that refuses or
    cannot be reached does not: the error goes up.
    """
    steps = CircuitSteps(case)
    try:
        because = await _investigated(steps)
    except (BudgetError, AnswerError) as error:
        because = str(error)
    case.tell("step", f"conclude: {because}")
    return await asyncio.to_thread(conclude, case, because)


async def _investigated(steps: CircuitSteps) -> str:
    case = steps.case
    case.tell("step", "proposing roles")
    await steps.propose()
    case.tell("step", "testing roles")
    await steps.test(0)
    for round_ in range(1, case.rounds + 1):
        if not steps.book.open:
            break
        case.tell("step", f"revising roles, round {round_}")
        if not await steps.revise(round_):
            break
        await steps.test(round_)
    case.tell("step", "exchanging components")
    await merge(steps)
    await explain(steps)
    if still := steps.book.open:
        return f"every role proposed for {', '.join(still)} was refuted, and no other is left or the rounds are used up"
    return "nothing is left to refute"
