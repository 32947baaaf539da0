"""What agents that study features have in common: turning an explanation into an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autointerp.eval._answers import MOST_TOKENS

if TYPE_CHECKING:
    from autointerp.records import EffectClaim, Explanation


def answer_of(explanation: Explanation) -> dict[str, Any]:
    """An explanation as what is handed in: that there is nothing, or a program and the tokens of its effect claims."""
    from autointerp.records import Verdict

    summary, sure = explanation.summary[:2000], explanation.confidence
    if explanation.verdict in (Verdict.UNINTERPRETABLE, Verdict.INSUFFICIENT_EVIDENCE):
        # The confidence of an explanation is that in its program: the less of it, the surer that there is nothing.
        return {"verdict": "nothing", "summary": summary, "confidence": 1 - sure}
    raised, lowered = _moved(explanation.effects)
    program = None if explanation.predictor is None else explanation.predictor.source
    return {"program": program, "promotes": raised, "suppresses": lowered, "summary": summary, "confidence": sure}


def _moved(claims: tuple[EffectClaim, ...]) -> tuple[list[str], list[str]]:
    """The tokens that an active feature raises and lowers, by all claims: what ablating lowers, the feature raises."""
    from autointerp.records import Intervention

    raised: list[str] = []
    lowered: list[str] = []
    for claim in claims:
        sign = -claim.sign if claim.intervention is Intervention.ABLATE else claim.sign
        side = raised if sign > 0 else lowered
        side += [token for token in claim.tokens if token not in side]
    return raised[:MOST_TOKENS], lowered[:MOST_TOKENS]
