"""What a feature does to the output, as claims, and an explanation that says so."""

from __future__ import annotations

from collections.abc import Sequence

from autointerp.agents._claims import claims_from
from autointerp.agents._words import promotes_of
from autointerp.records import EffectClaim, Explanation
from autointerp.tools import Workbench, effects_of

#: Forward passes that measuring the effects takes at the most: clean, ablated and steered runs of a few dozen prompts.
EFFECT_PASSES = 4


def measured_claims(bench: Workbench) -> tuple[EffectClaim, ...]:
    """What ablating and steering did dependably on some prompts of the train split; a few forward passes."""
    return tuple(claim for effect in effects_of(bench) for claim in claims_from(effect, bench.subject.strings))


def with_effects(explanation: Explanation, effects: Sequence[EffectClaim]) -> Explanation:
    """The same explanation with claims about the output, and with what they say in its sentences."""
    promotes = promotes_of(effects)
    return explanation.model_copy(
        update={
            "effects": tuple(effects),
            "promotes": promotes,
            "summary": f"{explanation.summary.rstrip('. ')}; where it fires it {promotes}.",
        }
    )
