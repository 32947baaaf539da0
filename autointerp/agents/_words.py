"""Sentences about what a feature does to the output."""

from __future__ import annotations

from collections.abc import Sequence

from autointerp.records import EffectClaim


def promotes_of(effects: Sequence[EffectClaim]) -> str:
    """What the feature does to the output, from the claims on where it acts by itself."""
    up = [claim for claim in effects if claim.intervention == "ablate" and claim.sign < 0]
    down = [claim for claim in effects if claim.intervention == "ablate" and claim.sign > 0]
    parts = []
    if up:
        parts.append("promotes " + _listed(up[0]))
    if down:
        parts.append("suppresses " + _listed(down[0]))
    return " and ".join(parts) or "no token moves dependably when it is ablated"


def _listed(claim: EffectClaim) -> str:
    return ", ".join(f"`{repr(token)[1:-1]}`" for token in claim.tokens)
