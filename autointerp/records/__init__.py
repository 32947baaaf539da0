"""Frozen values that everything else passes around: what was explained, what is claimed, what was measured.

This room knows no model, no tensor and no file format but its own JSON.
"""

from __future__ import annotations

from autointerp.records._circuit import (
    CausalProgram,
    CircuitEdge,
    CircuitNode,
    CircuitRecord,
    ComponentRole,
    CurvePoint,
    MappedVariable,
)
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
from autointerp.records._ledger import (
    Conclusion,
    EffectExperiment,
    Expected,
    Experiment,
    Hypothesis,
    HypothesisKind,
    Judgement,
    Ledger,
    Outcome,
    Probe,
    Purpose,
    RefineExperiment,
    Registered,
    Remark,
    Ruling,
    Spent,
    TextExperiment,
)
from autointerp.records._run import FORMAT, Cost, RunRecord, Versions
from autointerp.records._score import Score, ScoreResult, Unscored

__all__ = [
    "FORMAT",
    "CausalProgram",
    "CircuitEdge",
    "CircuitNode",
    "CircuitRecord",
    "ComponentRole",
    "Conclusion",
    "Confidence",
    "Cost",
    "CurvePoint",
    "EffectClaim",
    "EffectExperiment",
    "Evidence",
    "Example",
    "Expected",
    "Experiment",
    "Explanation",
    "FeatureRef",
    "FeatureStats",
    "Hypothesis",
    "HypothesisKind",
    "Intervention",
    "Judgement",
    "Ledger",
    "MappedVariable",
    "Neighbour",
    "Outcome",
    "Probe",
    "Program",
    "PromptKind",
    "Purpose",
    "RefineExperiment",
    "Registered",
    "Remark",
    "Ruling",
    "RunRecord",
    "Score",
    "ScoreResult",
    "Site",
    "SiteKind",
    "Spent",
    "TextExperiment",
    "TokenLogit",
    "Unscored",
    "Verdict",
    "Versions",
]
