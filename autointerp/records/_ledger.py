"""What an investigation wrote down, in the order in which it came to know it: a notebook whose predictions precede outcomes.

Every entry has a time (UTC) and an id; nothing that was written is changed. Who was refuted by what is in the judgements.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from autointerp.records._base import Frozen
from autointerp.records._explanation import Confidence, EffectClaim, Program


class HypothesisKind(StrEnum):
    """What a hypothesis is about: when the feature fires, what it does to the output, or that there is no rule to find."""

    INPUT = "input"
    OUTPUT = "output"
    NULL = "null"


class Hypothesis(Frozen):
    """One of several competing answers. What it predicts about a text is what its program says, computed by code.

    `clauses` are the unrelated meanings of one that calls the feature polysemantic. `parent` is the hypothesis that this one
    was revised from, `because` what made somebody propose it.
    """

    id: str
    at: datetime
    round: int = Field(ge=0)
    kind: HypothesisKind
    fires_on: str
    promotes: str = ""
    program: Program | None = None
    effects: tuple[EffectClaim, ...] = ()
    clauses: tuple[str, ...] = ()
    confidence: Confidence
    parent: str | None = None
    because: str = ""


class Probe(Frozen):
    """A text to read the feature's activation on: at its last token, or the strongest anywhere in it."""

    tokens: tuple[str, ...] = Field(min_length=1)
    token_ids: tuple[int, ...] = Field(min_length=1)
    measured: Literal["last", "strongest"]
    made: str = ""


class Purpose(StrEnum):
    """Why an experiment is made."""

    SEPARATE = "separate"
    REFUTE = "refute"
    CRITIC = "critic"
    EFFECT = "effect"
    REFINE = "refine"


class TextExperiment(Frozen):
    """Read the feature on texts. `target` is the hypothesis that it tries to refute, where it is made against one."""

    kind: Literal["texts"] = "texts"
    id: str
    at: datetime
    round: int = Field(ge=0)
    purpose: Purpose
    question: str
    probes: tuple[Probe, ...] = Field(min_length=1)
    target: str | None = None


class EffectExperiment(Frozen):
    """Intervene as a claim says, on prompts of the train split that the claim was not made from."""

    kind: Literal["effect"] = "effect"
    id: str
    at: datetime
    round: int = Field(ge=0)
    purpose: Purpose = Purpose.EFFECT
    question: str
    claim: EffectClaim
    target: str | None = None


class RefineExperiment(Frozen):
    """Ask the gate for a program's correlation with the activations of the refine split."""

    kind: Literal["refine"] = "refine"
    id: str
    at: datetime
    round: int = Field(ge=0)
    purpose: Purpose = Purpose.REFINE
    question: str
    target: str


Experiment = Annotated[TextExperiment | EffectExperiment | RefineExperiment, Field(discriminator="kind")]

#: What a hypothesis says of a probe: that the feature fires there, that it is silent, or nothing clear enough to be wrong.
Expected = Literal["fires", "silent", "open"]


class Registered(Frozen):
    """A prediction of one hypothesis about one experiment, written down before the measurement."""

    experiment: str
    hypothesis: str
    at: datetime
    sentence: str
    expects: tuple[Expected, ...] = ()
    at_least: float | None = None


class Outcome(Frozen):
    """What was measured: one number a probe, or one a prompt, or the score. Empty, with the reason, where it failed."""

    experiment: str
    at: datetime
    sentence: str
    values: tuple[float, ...] = ()
    failed: str = ""


class Ruling(StrEnum):
    """What an outcome says about a prediction."""

    SUPPORTS = "supports"
    REFUTES = "refutes"
    UNDECIDED = "undecided"


class Judgement(Frozen):
    """A verdict on one prediction, computed from the numbers alone. `right` of `said` clear predictions came true."""

    experiment: str
    hypothesis: str
    at: datetime
    ruling: Ruling
    right: int = Field(ge=0)
    said: int = Field(ge=0)
    sentence: str

    @model_validator(mode="after")
    def _no_more_right_than_said(self) -> Judgement:
        if self.right > self.said:
            raise ValueError(f"{self.right} of {self.said} predictions cannot have come true")
        return self


def predictions_first(predictions: Sequence[Registered], outcomes: Sequence[Outcome]) -> None:
    """Raises ValueError for a prediction that is younger than the outcome it is about."""
    measured = {outcome.experiment: outcome.at for outcome in outcomes}
    late = [p for p in predictions if p.experiment in measured and p.at > measured[p.experiment]]
    if late:
        raise ValueError(
            f"the prediction of {late[0].hypothesis} about {late[0].experiment} is younger than its outcome"
        )


class Remark(Frozen):
    """Something that happened on the way: a program that did not run, a proposal that was there already, a limit reached."""

    at: datetime
    text: str


class Conclusion(Frozen):
    """How it ended: which hypothesis was handed in, and what allowed to stop."""

    at: datetime
    hypothesis: str | None
    because: str


class Spent(Frozen):
    """What the whole investigation used, over all its processes; `lost` is what ended without an answer and may be billed."""

    dollars: float = Field(default=0.0, ge=0)
    tokens: int = Field(default=0, ge=0)
    lost_tokens: int = Field(default=0, ge=0)
    tool_calls: int = Field(default=0, ge=0)
    forward_passes: int = Field(default=0, ge=0)
    seconds: float = Field(default=0.0, ge=0)


class Ledger(Frozen):
    """The notebook of one investigation."""

    strategy: str
    scientist: str
    hypotheses: tuple[Hypothesis, ...] = ()
    experiments: tuple[Experiment, ...] = ()
    predictions: tuple[Registered, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    remarks: tuple[Remark, ...] = ()
    conclusion: Conclusion | None = None
    templates: tuple[str, ...] = ()
    limits: str = ""
    spent: Spent = Spent()

    @model_validator(mode="after")
    def _predictions_precede_outcomes(self) -> Ledger:
        predictions_first(self.predictions, self.outcomes)
        return self

    def refuted(self) -> dict[str, Judgement]:
        """By the id of each hypothesis that was refuted the judgement that did it.

        A claim that fails falls by itself; a hypothesis about the output falls with the last of its claims.
        """
        effects = {e.id for e in self.experiments if e.purpose is Purpose.EFFECT}
        found: dict[str, Judgement] = {}
        for hypothesis in self.hypotheses:
            own = [j for j in self.judgements if j.hypothesis == hypothesis.id and j.ruling is Ruling.REFUTES]
            fatal = [j for j in own if j.experiment not in effects]
            claims = [j for j in own if j.experiment in effects]
            if hypothesis.kind is HypothesisKind.OUTPUT and len(claims) >= len(hypothesis.effects) > 0:
                fatal.append(claims[-1])
            if fatal:
                found[hypothesis.id] = fatal[0]
        return found
