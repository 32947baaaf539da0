"""What is kept of a feature: how each stage did, and the label that was settled on."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from autointerp.records import Cost, Evidence, Explanation, RunRecord

Status = Literal["labelled", "failed"]


class Attempt(BaseModel):
    """What one stage made of a feature. `refine` is its program's correlation on the refine split, None where undefined."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    stage: str
    explanation: Explanation
    refine: float | None
    evidence: tuple[Evidence, ...] = ()
    cost: Cost


class Label(BaseModel):
    """The row of one feature. What was not measured is None, never zero.

    Attributes
    ----------
    status: `failed` where no stage handed anything in; `error` says why.
    stage: the one whose explanation was taken; `stages` are all that were tried, in order.
    refine: correlation on the refine split, by which the explanation was chosen.
    simulation, low, high: correlation on the test split with its 95% interval; `unscored` says why there is none.
    control: the highest of its controls; `beats` whether the whole interval lies above all of them.
    n: texts of the test split.
    revision: how often the feature was labelled; earlier rows are kept.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    feature: int
    status: Status
    stage: str | None = None
    stages: str = ""
    verdict: str | None = None
    confidence: float | None = None
    refine: float | None = None
    simulation: float | None = None
    low: float | None = None
    high: float | None = None
    control: float | None = None
    beats: bool | None = None
    explained_variance: float | None = None
    n: int | None = None
    unscored: str | None = None
    density: float | None = None
    maximum: float | None = None
    summary: str = ""
    fires_on: str = ""
    promotes: str = ""
    program: str | None = None
    lines: int | None = None
    seconds: float = 0.0
    forward_passes: int = 0
    dollars: float = 0.0
    error: str | None = None
    revision: int = 1
    at: datetime
    version: str


class Settled(BaseModel):
    """A label with the record that its page is drawn from; None for a feature that failed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: Label
    record: RunRecord | None = None
