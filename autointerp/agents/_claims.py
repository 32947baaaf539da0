"""From measured effects on train prompts to claims that can fail on fresh ones."""

from __future__ import annotations

import torch
from torch import Tensor

from autointerp.records import EffectClaim
from autointerp.tools import Effects

#: Tokens that one claim speaks of.
_TOKENS = 5
#: A claim promises this share of the effect that was typical on train prompts.
_PROMISED = 0.5
#: Fewer prompts than this support no claim.
_FEWEST = 5


def claims_from(effects: Effects, strings: list[str]) -> list[EffectClaim]:
    """At most two claims, on the tokens whose logits fall and on those whose logits rise most dependably.

    Dependably: mean change minus one standard deviation over prompts, in the direction of the change. A direction in which
    no token moves dependably gives no claim.
    """
    if len(effects.changes) < _FEWEST:
        return []
    mean, spread = effects.changes.mean(0), effects.changes.std(0)
    claims = []
    for sign in (-1, 1):
        dependable = sign * mean - spread
        values, tokens = dependable.topk(_TOKENS)
        chosen = tokens[values > 0].tolist()
        if chosen:
            claims.append(_claim(effects, sign, chosen, strings))
    return claims


def _claim(effects: Effects, sign: int, tokens: list[int], strings: list[str]) -> EffectClaim:
    moved: Tensor = sign * effects.changes[:, tokens].mean(1)
    return EffectClaim(
        intervention=effects.intervention,
        prompts=effects.prompts,
        tokens=tuple(strings[i] for i in tokens),
        token_ids=tuple(tokens),
        sign=1 if sign > 0 else -1,
        at_least=max(0.0, float(_PROMISED * torch.quantile(moved, 0.5))),
        strength=effects.strength,
    )
