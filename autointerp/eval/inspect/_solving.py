"""An agent of the suite as a solver: it runs in a process of its own, and what it hands in is the completion."""

from __future__ import annotations

import json
import os
from pathlib import Path

import anyio.to_thread
from inspect_ai.model import ModelOutput
from inspect_ai.solver import Generate, Solver, TaskState, solver

from autointerp.eval._isolation import Ran, run_agent
from autointerp.eval.agents import agent_named, handed_in
from autointerp.eval.inspect._problems import Asked

#: Where the state keeps what became of the agent's process.
RAN = "ran"


def solver_of(asked: Asked, agent: str, llm: str | None = None) -> Solver:
    """A solver that asks an agent, by a name as `autointerp eval run --agent` takes it.

    Raises InputError for an unknown name, with those that there are. The problems are no argument of the solver, because
    inspect logs arguments.
    """
    network = agent_named(agent).network

    @solver(name="asks_agent")
    def asks_agent(agent: str, llm: str | None = None) -> Solver:
        def run(name: str) -> Ran:
            return run_agent(
                agent,
                asked.kit(name),
                home=asked.home,
                seconds=asked.questions[name].allowance.seconds,
                network=network,
                hidden=[Path(os.environ.get("INSPECT_LOG_DIR", "logs"))],
                llm=llm,
            )

        async def solve(state: TaskState, generate: Generate) -> TaskState:
            del generate  # The agent has its own model, if any.
            ran = await anyio.to_thread.run_sync(run, str(state.sample_id))
            told = {"seconds": ran.seconds, "isolation": ran.isolation, "failure": ran.failure}
            handed = None if ran.output is None else handed_in(ran.output)
            if isinstance(handed, str):
                told["failure"] = handed
            elif handed is not None:
                told |= {"forward_passes": handed.forward_passes, "dollars": handed.dollars}
                state.output = ModelOutput.from_content(agent, json.dumps(handed.answer))
            state.metadata[RAN] = told
            return state

        return solve

    return asks_agent(agent, llm)
