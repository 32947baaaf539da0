"""Training an ordinary small transformer so that known components of it carry the variables of a causal model."""

from __future__ import annotations

from autointerp.eval.organisms.training._lessons import Lessons
from autointerp.eval.organisms.training._plan import Plan, draw_plan
from autointerp.eval.organisms.training._train import Schedule, alone, train

__all__ = ["Lessons", "Plan", "Schedule", "alone", "draw_plan", "train"]
