"""Which agents there are."""

from __future__ import annotations

from functools import cache

from autointerp._plugins import load_all
from autointerp.errors import InputError
from autointerp.eval._protocol import Agent
from autointerp.eval.agents._adapters import ADAPTERS

AGENTS = "autointerp.eval_agents"


@cache
def agents() -> dict[str, Agent]:
    """Every registered agent by name. Raises PluginError where one cannot be loaded."""
    return {name: made() for name, made in load_all(AGENTS).items()}


def agent_named(spec: str) -> Agent:
    """An agent: a registered one by name, `python:MODULE:FUNCTION`, `command:COMMAND`, or `mcp:COMMAND`.

    Raises InputError for an unknown name, with those that there are.
    """
    form, sign, _ = spec.partition(":")
    if sign and form in ADAPTERS:
        return ADAPTERS[form](spec)
    known = agents()
    if spec not in known:
        raise InputError(
            f"no agent {spec!r}: there are {', '.join(known)}, python:MODULE:FUNCTION, command:COMMAND and mcp:COMMAND"
        )
    return known[spec]
