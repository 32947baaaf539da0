"""What interventions do: the change of the model's output when a direction is taken out, added or replaced.

This room knows sites and directions; it knows no corpus and no explanation.
"""

from __future__ import annotations

from autointerp.circuits._effects import Prompts, clean_run, next_token_change, prompts_of
from autointerp.circuits._replacement import divergence_of

__all__ = ["Prompts", "clean_run", "divergence_of", "next_token_change", "prompts_of"]
