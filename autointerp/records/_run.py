"""One graded run: enough to render its page and to run it again."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from autointerp.records._base import Frozen
from autointerp.records._explanation import Evidence, Explanation
from autointerp.records._feature import Example, FeatureRef, FeatureStats
from autointerp.records._ledger import Ledger
from autointerp.records._score import ScoreResult

#: Raised with every change that an older reader would misunderstand.
FORMAT: Final = 1


class Cost(Frozen):
    """What a run used. Tokens are those that went through the model; nothing here is an estimate."""

    seconds: float = Field(ge=0)
    forward_passes: int = Field(default=0, ge=0)
    tokens: int = Field(default=0, ge=0)
    dollars: float = Field(default=0.0, ge=0)


class Versions(Frozen):
    """What made the run: software versions, and fingerprints of the model, the dictionary and the corpus."""

    autointerp: str
    python: str
    torch: str
    nnsight: str
    transformers: str
    model: str
    dictionary: str
    corpus: str
    index: str
    seed: int


class RunRecord(Frozen):
    """Everything one study produced, as versioned JSON. `ledger` is there where an investigation kept one."""

    format: Literal[1] = FORMAT
    feature: FeatureRef
    stats: FeatureStats
    explanation: Explanation
    scores: tuple[ScoreResult, ...]
    evidence: tuple[Evidence, ...]
    examples: tuple[Example, ...]
    cost: Cost
    versions: Versions
    ledger: Ledger | None = None
