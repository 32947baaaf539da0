"""What interventions do: the change of the model's output when directions are taken out, added or replaced.

This room knows sites and directions; it knows no corpus and no explanation.
"""

from __future__ import annotations

from autointerp.circuits._clean import CleanRun, clean_run
from autointerp.circuits._damage import damage_of
from autointerp.circuits._effects import next_token_change

__all__ = ["CleanRun", "clean_run", "damage_of", "next_token_change"]
