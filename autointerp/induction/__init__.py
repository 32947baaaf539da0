"""The rule learner: from texts with activations to a short program and a sentence. No network, no language model.

This room knows token strings and numbers; it knows no model, no dictionary and no split.
"""

from __future__ import annotations

from autointerp.induction._apply import Terms
from autointerp.induction._baselines import token_means
from autointerp.induction._learn import Rule, learn

__all__ = ["Rule", "Terms", "learn", "token_means"]
