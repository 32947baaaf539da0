"""`steer`: add to a feature's activation, in several doses, and see what the model predicts."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field

from autointerp.errors import Adapt
from autointerp.tools._bench import Workbench
from autointerp.tools._changes import changed, clean, compared
from autointerp.tools._compared import TokenChange, told
from autointerp.tools._feature_stats import stats_of
from autointerp.tools._texts import (
    Count,
    FeatureNumber,
    Positions,
    Read,
    Texts,
    column,
    columns,
    feature_number,
    single_tokens,
    token_ids,
)
from autointerp.tools._tool import Arguments, Result, Tool

#: Doses by default, as shares of the feature's maximum.
_DOSES = (0.25, 0.5, 1.0, 2.0)


class SteerArguments(Arguments):
    """Which texts, which feature, how much, where, and where to look."""

    texts: Texts
    feature: FeatureNumber = None
    strengths: Annotated[
        tuple[Annotated[float, Field(ge=-1e6, le=1e6)], ...] | None,
        Field(
            min_length=1,
            max_length=8,
            description="Doses, each a run of its own: what is added to the activation, in activation units; negative to"
            " lower it. Null for 1/4, 1/2, 1 and 2 times the feature's maximum in the corpus.",
        ),
    ] = None
    positions: Positions = None
    read: Read = -1
    tokens: Annotated[
        tuple[str, ...], Field(max_length=20, description="Next tokens to follow from dose to dose, a token each.")
    ] = ()
    count: Count = 8


class Dose(Result):
    """One strength: in activation units and as a share of the maximum (null for a feature that never fires).

    Means over the texts: KL in nats, tokens that rise and fall most, and the tokens asked for.
    """

    strength: float
    of_maximum: float | None
    kl: float
    raised: tuple[TokenChange, ...]
    lowered: tuple[TokenChange, ...]
    followed: tuple[TokenChange, ...]


class SteerResult(Result):
    """Dose by dose, in the order asked."""

    feature: int
    maximum: float
    doses: tuple[Dose, ...]


class Steer(Tool[SteerArguments, SteerResult]):
    """See the module."""

    name = "steer"
    description = (
        "Add to a feature's activation in texts that you write, at all tokens or at some, in one or several doses, and compare"
        " the next-token prediction at one position before and after, in the mean over the texts: KL divergence in nats, and"
        " logit changes relative to their mean over the vocabulary. Effects that do not grow with the dose, or that come only"
        " far above the maximum, are weak evidence."
    )
    arguments = SteerArguments
    result = SteerResult

    def run(self, bench: Workbench, arguments: SteerArguments) -> SteerResult:
        """See `Tool.run`."""
        feature = feature_number(bench, arguments.feature)
        followed = torch.tensor(single_tokens(bench, arguments.tokens), dtype=torch.int64)
        ids = token_ids(bench, arguments.texts)
        places = [column(arguments.read, text, "read") for text in ids]
        where = torch.zeros(len(ids), max(map(len, ids)) + len(bench.subject.suffix))
        for row, text in zip(where, ids, strict=True):
            row[columns(arguments.positions, text)] = 1.0
        maximum = stats_of(bench, feature).maximum
        strengths = arguments.strengths
        if strengths is None:
            if maximum == 0:
                raise Adapt(f"feature {feature} never fires in the corpus, so no dose is usual: give strengths")
            strengths = tuple(share * maximum for share in _DOSES)
        before = clean(bench, ids, places, feature)
        amounts = torch.tensor(strengths)[:, None, None] * where
        after = changed(bench, before, amounts, "strengths")
        doses = []
        for strength, logits in zip(strengths, after, strict=True):
            found = compared(bench, before.logits, logits)
            raised, lowered = found.extremes(arguments.count)
            doses.append(
                Dose(
                    strength=strength,
                    of_maximum=strength / maximum if maximum else None,
                    kl=found.kl(),
                    raised=raised,
                    lowered=lowered,
                    followed=found.tokens(followed),
                )
            )
        return SteerResult(feature=feature, maximum=maximum, doses=tuple(doses))

    def render(self, result: SteerResult) -> str:
        """See `Tool.render`."""
        lines = [
            f"feature {result.feature}, maximum {result.maximum:.4g}; token logit change (probability before → after),"
            " means over the texts"
        ]
        for dose in result.doses:
            share = "" if dose.of_maximum is None else f" ({dose.of_maximum:.2f} of the maximum)"
            lines.append(f"{dose.strength:+.4g}{share}: KL {dose.kl:.4f} nats")
            if dose.followed:
                lines.append(f"  asked for: {told(dose.followed)}")
            lines += [f"  raised: {told(dose.raised)}", f"  lowered: {told(dose.lowered)}"]
        return "\n".join(lines) + "\n"
