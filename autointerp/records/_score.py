"""The outcome of a scorer: a number with its interval and its controls, or the reason why there is none."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from autointerp.records._base import Frozen


class Score(Frozen):
    """A measured value. `ci` is a 95% bootstrap interval over documents, `n` counts the texts.

    `control` holds the same metric for each matched null or baseline, by name: what the value has to be compared with.
    `also` holds further figures of the same measurement by name, such as the effect at every strength of steering.
    """

    kind: Literal["score"] = "score"
    name: str
    value: float
    ci: tuple[float, float]
    n: int = Field(ge=1)
    control: dict[str, float] = Field(default_factory=dict)
    also: dict[str, float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _interval_is_ordered(self) -> Score:
        low, high = self.ci
        if low > high:
            raise ValueError(f"the interval {self.ci} of {self.name} is upside down")
        return self


class Unscored(Frozen):
    """A score that could not be computed, and why. Never a number, never part of a mean."""

    kind: Literal["unscored"] = "unscored"
    name: str
    reason: str


ScoreResult = Annotated[Score | Unscored, Field(discriminator="kind")]
