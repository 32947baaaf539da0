"""Circuits that are made to mislead: decoys, backups, dormant paths, redundant routes, two mechanisms of one behaviour.

All of them are compiled, so that the truth is exact: which parts matter, under which
ablation, and which sets of them are enough.
"""

from __future__ import annotations

from autointerp.eval.organisms.adversarial._kind import AdversarialCircuits
from autointerp.eval.organisms.adversarial._organism import AdversarialOrganism
from autointerp.eval.organisms.adversarial._truth import AdversarialTruth, ValidCircuit

__all__ = ["AdversarialCircuits", "AdversarialOrganism", "AdversarialTruth", "ValidCircuit"]
