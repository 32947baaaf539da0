"""An explanation is a program with claims: it predicts where the feature fires and what intervening on it does."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from autointerp.records._base import Frozen

Confidence = Annotated[float, Field(ge=0.0, le=1.0)]


class Program(Frozen):
    """Source that defines `predict(tokens)`: a list of token strings in, one activation per token out.

    The language is the sandbox's Python with the functions of `autointerp.programs` at hand.
    """

    source: str

    @property
    def lines(self) -> int:
        """Lines that are not empty: the length that a reader has to take in."""
        return sum(1 for line in self.source.splitlines() if line.strip())


class Intervention(StrEnum):
    """What is done to the feature inside the model."""

    ABLATE = "ablate"
    STEER = "steer"


class PromptKind(StrEnum):
    """On which positions of which texts a claim is about."""

    FIRES = "fires"
    SILENT = "silent"


class EffectClaim(Frozen):
    """A prediction about an intervention, registered before the test.

    Where the feature `fires` (or is `silent`), to `ablate` it (or to `steer` by `strength` times its direction)
    changes the next-token logit of `tokens`, in the mean over them and relative to the mean of the whole vocabulary, in
    direction `sign` by at least `at_least` (in logits).
    """

    intervention: Intervention
    prompts: PromptKind
    tokens: tuple[str, ...] = Field(min_length=1)
    token_ids: tuple[int, ...] = Field(min_length=1)
    sign: Literal[-1, 1]
    at_least: float = Field(ge=0.0)
    strength: float | None = None

    @model_validator(mode="after")
    def _is_complete(self) -> EffectClaim:
        if (self.intervention is Intervention.STEER) != (self.strength is not None):
            raise ValueError("a claim about steering needs a strength, and no other has one")
        if len(self.tokens) != len(self.token_ids):
            raise ValueError(f"{len(self.tokens)} tokens but {len(self.token_ids)} token ids")
        return self

    def sentence(self) -> str:
        """The claim in words."""
        where = "where it fires" if self.prompts is PromptKind.FIRES else "where it is silent"
        what = "ablating it" if self.intervention is Intervention.ABLATE else f"steering by {self.strength:.3g}"
        verb = "raises" if self.sign > 0 else "lowers"
        tokens = ", ".join(repr(token) for token in self.tokens)
        return f"{where}, {what} {verb} the logits of {tokens} by at least {self.at_least:.2g}"


class Evidence(Frozen):
    """A prediction written down before its outcome was measured. `supports` is None where nothing could be measured."""

    prediction: str
    outcome: str
    supports: bool | None
    split: Literal["train", "refine", "test"]


class Verdict(StrEnum):
    """What the scientist concludes. All four are answers."""

    EXPLAINED = "explained"
    POLYSEMANTIC = "polysemantic"
    UNINTERPRETABLE = "uninterpretable"
    INSUFFICIENT_EVIDENCE = "insufficient_evidence"


class Explanation(Frozen):
    """What a scientist hands in. `predictor` is None where there was nothing to learn from."""

    summary: str
    fires_on: str
    promotes: str
    predictor: Program | None
    effects: tuple[EffectClaim, ...] = ()
    verdict: Verdict
    confidence: Confidence
