"""The strategy `investigate`: competing hypotheses, registered predictions, verdicts by code, on checkpoints."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from autointerp.agents._case import Case
from autointerp.agents._conclude import conclude
from autointerp.agents._protocol import Report
from autointerp.agents._steps import Steps

#: One notebook and one file of checkpoints belong to one investigation.
_THREAD = "investigation"


class Investigate:
    """Runs the graph to its end, from the last checkpoint where there is one."""

    needs_llm = False

    async def run(self, case: Case) -> Report:
        """As the protocol says."""
        steps = Steps(case)
        return concluded(steps, await run_graph(steps))


def concluded(steps: Steps, state: Mapping[str, Any]) -> Report:
    """The report of an investigation that came to its end, from its final state."""
    seen = None if state.get("round") is None else steps.seen
    return conclude(steps.case, seen, state["because"])


async def run_graph(steps: Steps) -> dict[str, Any]:
    """The final state."""
    # Checkpoints are read as plain values: nothing in such a file can make this process build anything else.
    os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    from autointerp.agents._graph import investigation

    case = steps.case
    async with AsyncExitStack() as stack:
        saver: Any = InMemorySaver()
        if case.checkpoints is not None:
            saver = await stack.enter_async_context(AsyncSqliteSaver.from_conn_string(case.checkpoints))
        graph = investigation(lambda _: steps).compile(checkpointer=saver)
        config: Any = {"configurable": {"thread_id": _THREAD}}
        begun = (await graph.aget_state(config)).values
        given: Any = None if begun else {"feature": case.bench.feature.index}
        final: dict[str, Any] = await graph.ainvoke(given, config, durability="sync")
    return final
