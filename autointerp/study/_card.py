"""The report card of one explanation: its scores, what happens to them under stress, and what that establishes."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from autointerp.records import Cost, Evidence, Explanation, FeatureRef, ScoreResult, Versions
from autointerp.scoring import Summary


class ReportCard(BaseModel):
    """What `autointerp score` says of one explanation. `stress` holds scores by the circumstance they were taken under."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    feature: FeatureRef
    explanation: Explanation
    scores: tuple[ScoreResult, ...]
    stress: dict[str, tuple[ScoreResult, ...]]
    evidence: tuple[Evidence, ...]
    established: str
    cost: Cost


class MeanScore(BaseModel):
    """A score over all features of a run, and the reasons why some have none, with how many."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    result: ScoreResult
    unscored: dict[str, int]

    @classmethod
    def of(cls, summary: Summary) -> MeanScore:
        """From what scoring hands back."""
        return cls(result=summary.result, unscored=summary.unscored)


class ReportCards(BaseModel):
    """The cards of a run and the means over them, as versioned JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: int = 1
    cards: tuple[ReportCard, ...]
    means: tuple[MeanScore, ...]
    versions: Versions
