"""From measured effects on train prompts to claims that can fail on fresh ones."""

from __future__ import annotations

import torch
from torch import Tensor

from autointerp.records import EffectClaim
from autointerp.tools import Effects

#: Tokens that one claim speaks of.
_TOKENS = 5
#: Claims are about tokens that the model considers where the intervention is made, not about curiosities of the vocabulary.
_CONSIDERED = 100
#: A claim promises this share of the effect that was typical on train prompts.
_PROMISED = 0.5
#: Fewer prompts than this support no claim.
_FEWEST = 5


def claims_from(effects: Effects, strings: list[str]) -> list[EffectClaim]:
    """At most two claims, on the tokens whose logits fall and on those whose logits rise most dependably.

    Dependably: mean change minus one standard deviation over prompts, in the direction of the change, among the tokens that
    the model finds likeliest there with or without the intervention. A direction in which none moves dependably gives no
    claim.
    """
    if len(effects.changes) < _FEWEST:
        return []
    mean, spread = effects.changes.mean(0), effects.changes.std(0)
    considered = torch.zeros_like(mean, dtype=torch.bool)
    considered[effects.likely.topk(min(_CONSIDERED, len(mean))).indices] = True
    claims = []
    for sign in (-1, 1):
        dependable = torch.where(considered, sign * mean - spread, -torch.inf)
        values, tokens = dependable.topk(min(_TOKENS, len(mean)))
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
