"""Scientists: whoever turns a bench into an explanation. None of them can reach a scorer or held-out text.

A strategy gets a `Case` (a bench, a gate, a budget, a notebook) and hands in a `Report`. `investigate` runs a graph in which
hypotheses compete; what it predicts is written down before it is measured, and verdicts are computed by code.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from autointerp.agents._effects import EFFECT_PASSES, measured_claims, with_effects
from autointerp.agents._offline import RuleScientist, best_rule, insufficient, report_of
from autointerp.agents._protocol import (
    EXPLAINED,
    FEWEST_ACTIVATIONS,
    FEWEST_TEXTS,
    TEXTS,
    Explainer,
    Gate,
    Measured,
    Proposal,
    Report,
    Scientist,
    Standing,
    View,
)

if TYPE_CHECKING:
    from autointerp.agents._case import Case, Listener, Strategy, unheard
    from autointerp.agents._graph import investigation
    from autointerp.agents._investigate import concluded
    from autointerp.agents._limits import Limits, Meter
    from autointerp.agents._llm_scientist import LLMScientist
    from autointerp.agents._notebook import Notebook
    from autointerp.agents._steps import Steps

__all__ = [
    "EFFECT_PASSES",
    "EXPLAINED",
    "FEWEST_ACTIVATIONS",
    "FEWEST_TEXTS",
    "TEXTS",
    "Case",
    "Explainer",
    "Gate",
    "LLMScientist",
    "Limits",
    "Listener",
    "Measured",
    "Meter",
    "Notebook",
    "Proposal",
    "Report",
    "RuleScientist",
    "Scientist",
    "Standing",
    "Steps",
    "Strategy",
    "View",
    "best_rule",
    "concluded",
    "insufficient",
    "investigation",
    "measured_claims",
    "report_of",
    "unheard",
    "with_effects",
]


#: What only investigations need, by module: `explain` without options starts without it.
_LATER = {
    "Case": "_case",
    "LLMScientist": "_llm_scientist",
    "Limits": "_limits",
    "Listener": "_case",
    "Meter": "_limits",
    "Notebook": "_notebook",
    "Steps": "_steps",
    "Strategy": "_case",
    "concluded": "_investigate",
    "investigation": "_graph",
    "unheard": "_case",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f"autointerp.agents.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
