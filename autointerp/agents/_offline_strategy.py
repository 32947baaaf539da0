"""The strategy `offline`: the rule scientist by itself, with no language model and no experiments on texts of its own."""

from __future__ import annotations

import asyncio

from autointerp.agents._case import Case, within
from autointerp.agents._conclude import conclude
from autointerp.agents._effects import EFFECT_PASSES
from autointerp.agents._offline import RuleScientist
from autointerp.agents._protocol import Report
from autointerp.errors import BudgetError


class Offline:
    """Learns rules, lets the gate choose, claims what intervening did."""

    needs_llm = False

    async def run(self, case: Case) -> Report:
        """As the protocol says."""
        case.tell("step", "learning when it fires")
        try:
            case.meter.reserve("offline", forward_passes=EFFECT_PASSES)
            return await within(case, asyncio.to_thread(RuleScientist().explain, case.bench, case.gate))
        except BudgetError as error:
            return conclude(case, None, str(error))
