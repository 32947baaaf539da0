"""Frozen values that everything else passes around: what was explained, what is claimed, what was measured.

This room knows no model, no tensor and no file format but its own JSON.
"""

from __future__ import annotations

from autointerp.records._explanation import (
    Confidence,
    EffectClaim,
    Evidence,
    Explanation,
    Intervention,
    Program,
    PromptKind,
    Verdict,
)
from autointerp.records._feature import Example, FeatureRef, FeatureStats, Neighbour, Site, SiteKind, TokenLogit
from autointerp.records._run import FORMAT, Cost, RunRecord, Versions
from autointerp.records._score import Score, ScoreResult, Unscored

__all__ = [
    "FORMAT",
    "Confidence",
    "Cost",
    "EffectClaim",
    "Evidence",
    "Example",
    "Explanation",
    "FeatureRef",
    "FeatureStats",
    "Intervention",
    "Neighbour",
    "Program",
    "PromptKind",
    "RunRecord",
    "Score",
    "ScoreResult",
    "Site",
    "SiteKind",
    "TokenLogit",
    "Unscored",
    "Verdict",
    "Versions",
]
