"""Which agents there are."""

from __future__ import annotations

from functools import cache

from autointerp._plugins import load_all
from autointerp.errors import InputError
from autointerp.eval._protocol import Agent

AGENTS = "autointerp.eval_agents"


@cache
def agents() -> dict[str, Agent]:
    """Every registered agent by name. Raises PluginError where one cannot be loaded."""
    return {name: made() for name, made in load_all(AGENTS).items()}


def agent_named(spec: str) -> Agent:
    """A registered agent by name. Raises InputError for an unknown name, with those that there are."""
    known = agents()
    if spec not in known:
        raise InputError(f"no agent {spec!r}: there are {', '.join(known)}")
    return known[spec]
