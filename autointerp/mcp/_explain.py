"""`explain_start`, `explain_status`, `explain_result`: work that takes longer than a host waits for an answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from autointerp.errors import Adapt
from autointerp.mcp._desk import Desk
from autointerp.mcp._endpoints import Answer, Asked, Endpoint, TypedEndpoint, parsed
from autointerp.mcp._opening import GLANCE, Tell
from autointerp.mcp._runs import Run

RunName = Annotated[str, Field(max_length=40, description="The run, as explain_start named it, such as run1.")]


class StartAsked(Asked):
    """Which feature, and how."""

    feature: Annotated[int, Field(ge=0, description="Number of the feature to explain.")]
    strategy: Annotated[
        str | None,
        Field(
            max_length=40,
            description="offline: rules are learned, in seconds to a minute. investigate: hypotheses compete in experiments."
            " Others need a language model. If not given: investigate where the server has a language model, else offline.",
        ),
    ] = None
    rounds: Annotated[int, Field(ge=1, le=20, description="Times that hypotheses are revised at the most.")] = 3


class StatusAsked(Asked):
    """Of which run, and how long to wait for news."""

    run: RunName
    wait_seconds: Annotated[
        float, Field(ge=0, le=45, description="Wait so long for the run to end, telling of progress meanwhile.")
    ] = 0.0


class ResultAsked(Asked):
    """Of which run, and how much of it."""

    run: RunName
    detail: Annotated[
        Literal["summary", "record"],
        Field(description="summary: as people read it. record: all that is known, in JSON, in many pages."),
    ] = "summary"


class ExplainStart(TypedEndpoint):
    """See the module."""

    name, title, changes = "explain_start", "Start an explanation", True
    description = (
        "Begin to explain a feature: a program that predicts its activation from the text, and claims about what it does, are"
        " found and then graded on held-out text that no tool shows. Returns the name of the run at once; ask explain_status"
        " how it stands and explain_result for the outcome. Runs are worked on one after the other."
    )
    asked = StartAsked

    async def answer(self, desk: Desk, given: Mapping[str, Any], tell: Tell) -> Answer:
        """See `Endpoint`."""
        del tell
        asked = parsed(StartAsked, given)
        run = desk.runs.start(asked.feature, asked.strategy, asked.rounds)
        return Answer(
            f"{run.id}: explaining feature {run.feature} ({run.strategy}).\n"
            f'explain_status(run="{run.id}", wait_seconds=30) says how it stands.\n',
            _state(run),
        )


class ExplainStatus(TypedEndpoint):
    """See the module."""

    name, title = "explain_status", "Status of an explanation"
    description = (
        "How a run of explain_start stands: waiting, running, done or failed, its step, how far that is, and the latest events."
        " With wait_seconds it answers when the run ends or the time is over, and sends progress meanwhile."
    )
    asked = StatusAsked

    async def answer(self, desk: Desk, given: Mapping[str, Any], tell: Tell) -> Answer:
        """See `Endpoint`."""
        asked = parsed(StatusAsked, given)
        run = desk.runs[asked.run]
        until, seen = time.monotonic() + asked.wait_seconds, -1
        while not run.ended and time.monotonic() < until:
            if run.version != seen:
                seen = run.version
                await tell(seen, None, str(run.step))
            await asyncio.sleep(GLANCE)
        lines = [f"{run.id}: feature {run.feature} ({run.strategy}), {run.state}"]
        if run.state in ("waiting", "running"):
            lines.append(f"step: {run.step}")
        lines += [f"  {event}" for event in list(run.events)]
        if run.state == "done":
            lines.append(f'explain_result(run="{run.id}") shows what was found.')
        if run.state == "failed":
            lines.append(f"failed: {run.error}")
        return Answer("\n".join(lines) + "\n", _state(run))


class ExplainResult(TypedEndpoint):
    """See the module."""

    name, title = "explain_result", "Result of an explanation"
    description = (
        "What a run found: one sentence, the program, its scores on held-out text with intervals and controls, the claims and"
        " whether they held, and examples. Scores are those of the program as it stands; a reason stands where there is none."
    )
    asked = ResultAsked

    async def answer(self, desk: Desk, given: Mapping[str, Any], tell: Tell) -> Answer:
        """See `Endpoint`."""
        del tell
        asked = parsed(ResultAsked, given)
        run = desk.runs[asked.run]
        text = result_text(run)
        if asked.detail == "summary":
            return Answer(desk.book.first(text, run.id))
        assert run.record is not None
        return Answer(desk.book.first(run.record.model_dump_json(indent=1), f"{run.id}-record"))


def result_text(run: Run) -> str:
    """What a run found, in all. Raises Adapt where it is not done, or failed."""
    if run.state == "failed":
        raise Adapt(f"{run.id} failed: {run.error}")
    if run.state != "done":
        raise Adapt(f'{run.id} is not done ({run.step}): explain_status(run="{run.id}", wait_seconds=30) waits for it')
    kept = f"page for people: {run.page}\n" if run.page else ""
    return run.report() + kept


def explain_endpoints() -> list[Endpoint]:
    """The three."""
    return [ExplainStart(), ExplainStatus(), ExplainResult()]


def _state(run: Run) -> dict[str, Any]:
    return {
        "run": run.id,
        "feature": run.feature,
        "strategy": run.strategy,
        "state": run.state,
        "step": run.step.name,
        "done": run.step.done,
        "total": run.step.total,
        "error": run.error or None,
    }
