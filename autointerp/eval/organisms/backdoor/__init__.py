"""Small trained networks that do something else than they seem to, and clean twins that were trained alike."""

from __future__ import annotations

from autointerp.eval.organisms.backdoor._behaviours import Behaviour
from autointerp.eval.organisms.backdoor._kind import Backdoors
from autointerp.eval.organisms.backdoor._organism import BackdoorOrganism
from autointerp.eval.organisms.backdoor._truth import HiddenTruth

__all__ = ["BackdoorOrganism", "Backdoors", "Behaviour", "HiddenTruth"]
