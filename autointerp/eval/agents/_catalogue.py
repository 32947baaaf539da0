"""Which agents there are."""

from __future__ import annotations

from functools import cache

from autointerp._plugins import load_one, plugin_names
from autointerp.errors import InputError
from autointerp.eval._protocol import Agent
from autointerp.eval.agents._adapters import ADAPTERS

AGENTS = "autointerp.eval_agents"


def agents() -> dict[str, Agent]:
    """Every registered agent by name. Raises PluginError where one cannot be loaded."""
    return {name: _made(name) for name in plugin_names(AGENTS)}


def agent_named(spec: str) -> Agent:
    """An agent: a registered one by name, `python:MODULE:FUNCTION`, `command:COMMAND`, or `mcp:COMMAND`.

    Raises InputError for an unknown name, with those that there are.
    """
    form, sign, _ = spec.partition(":")
    if sign and form in ADAPTERS:
        return ADAPTERS[form](spec)
    known = plugin_names(AGENTS)
    if spec not in known:
        raise InputError(
            f"no agent {spec!r}: there are {', '.join(known)}, python:MODULE:FUNCTION, command:COMMAND and mcp:COMMAND"
        )
    return _made(spec)


@cache
def _made(name: str) -> Agent:
    agent: Agent = load_one(AGENTS, name)()
    return agent
