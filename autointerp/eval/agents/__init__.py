"""Who can be asked: one file each, registered under the entry-point group `autointerp.eval_agents`.

An agent runs in a process of its own, `python -m autointerp.eval.agents`, that has the kit and no more.
"""

from __future__ import annotations

from autointerp.eval.agents._catalogue import AGENTS, agent_named, agents
from autointerp.eval.agents._handing import Handed, handed_in

__all__ = ["AGENTS", "Handed", "agent_named", "agents", "handed_in"]
