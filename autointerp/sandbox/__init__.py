"""Running code that nobody trusts: a worker process that can compute, call the functions it is given, and nothing else.

This room knows no model and no explanation. Code never runs in the process that holds the model.
"""

from __future__ import annotations

from autointerp.sandbox._limits import Limits
from autointerp.sandbox._monty import Sandbox
from autointerp.sandbox._numeric import NUMERIC
from autointerp.sandbox._open import describe, open_sandbox, run
from autointerp.sandbox._protocol import Backend, Ran, Session

__all__ = ["NUMERIC", "Backend", "Limits", "Ran", "Sandbox", "Session", "describe", "open_sandbox", "run"]
