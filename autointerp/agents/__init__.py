"""Scientists: whoever turns a bench into an explanation. None of them can reach a scorer or held-out text."""

from __future__ import annotations

from autointerp.agents._offline import RuleScientist
from autointerp.agents._protocol import Explainer, Gate, Report, Scientist

__all__ = ["Explainer", "Gate", "Report", "RuleScientist", "Scientist"]
