"""`logit_effects`: which next tokens a feature promotes, through the unembedding alone and as measured."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field

from autointerp.errors import Adapt
from autointerp.records import TokenLogit
from autointerp.tools._bench import Workbench
from autointerp.tools._changes import changed, clean, compared
from autointerp.tools._compared import TokenChange, told
from autointerp.tools._examples import draw
from autointerp.tools._texts import Count, FeatureNumber, Texts, feature_number, single_tokens, strings, token_ids
from autointerp.tools._tool import Arguments, Result, Tool

#: Texts of the train split on which effects are measured where no others are given.
_TEXTS = 16


class LogitEffectsArguments(Arguments):
    """Of which feature, on which texts, and which tokens to follow."""

    feature: FeatureNumber = None
    texts: Annotated[
        Texts | None,
        Field(description="Texts on which to measure; null for 16 of the train split, over the range of activation."),
    ] = None
    tokens: Annotated[
        tuple[str, ...], Field(max_length=20, description="Tokens to give the figures of besides, a token each.")
    ] = ()
    count: Count = 10


class Direct(Result):
    """Through the unembedding alone: the change of each logit per unit of activation, less the mean over the vocabulary.

    The final norm's gain is in it, its division is not: compare tokens with each other, not with measured changes.
    """

    promotes: tuple[TokenLogit, ...]
    suppresses: tuple[TokenLogit, ...]
    followed: tuple[TokenLogit, ...]


class Measured(Result):
    """What the feature does: logits with it less logits without it, where it is strongest in each of `texts` texts.

    Changes are relative to their mean over the vocabulary, in the mean over texts, of a mean activation of `activation`; each
    token's `before` is its probability without the feature, `after` with it.
    """

    texts: int
    activation: float
    promotes: tuple[TokenChange, ...]
    suppresses: tuple[TokenChange, ...]
    followed: tuple[TokenChange, ...]


class LogitEffectsResult(Result):
    """Both figures; where one is null, `missing` says why."""

    feature: int
    direct: Direct | None
    measured: Measured | None
    missing: tuple[str, ...] = ()


class LogitEffects(Tool[LogitEffectsArguments, LogitEffectsResult]):
    """See the module."""

    name = "logit_effects"
    description = (
        "Which next tokens a feature promotes and suppresses: directly, through the unembedding alone (logit per unit of"
        " activation), and measured, as logits with the feature less logits without it, on texts where it is active. Where the"
        " two disagree, the feature works through later layers: believe the measured one."
    )
    arguments = LogitEffectsArguments
    result = LogitEffectsResult

    def run(self, bench: Workbench, arguments: LogitEffectsArguments) -> LogitEffectsResult:
        """See `Tool.run`."""
        if not bench.subject.has_logits:
            raise Adapt(f"{bench.subject.name} has no logits, so that no token is promoted: look at activations")
        feature = feature_number(bench, arguments.feature)
        followed = torch.tensor(single_tokens(bench, arguments.tokens), dtype=torch.int64)
        direct = _direct(bench, feature, followed, arguments.count)
        measured = _measured(bench, feature, arguments, followed)
        missing = []
        if direct is None:
            missing.append("direct: what the feature writes does not reach the logits in a linear way")
        if measured is None:
            missing.append("measured: the feature is silent in all of these texts")
        return LogitEffectsResult(feature=feature, direct=direct, measured=measured, missing=tuple(missing))

    def render(self, result: LogitEffectsResult) -> str:
        """See `Tool.render`."""
        lines = [f"feature {result.feature}"]
        if (direct := result.direct) is not None:
            lines.append("direct, logit per unit of activation:")
            for name, listed in (
                ("promotes", direct.promotes),
                ("suppresses", direct.suppresses),
                ("asked for", direct.followed),
            ):
                if listed:
                    lines.append(f"  {name}: " + ", ".join(f"{t.token!r} {t.logit:+.3f}" for t in listed))
        if (measured := result.measured) is not None:
            lines.append(
                f"measured at its strongest in {measured.texts} texts (mean activation {measured.activation:.3g}), logit change"
                " (probability without → with):"
            )
            for name, shifts in (
                ("promotes", measured.promotes),
                ("suppresses", measured.suppresses),
                ("asked for", measured.followed),
            ):
                if shifts:
                    lines.append(f"  {name}: {told(shifts)}")
        return "\n".join([*lines, *result.missing]) + "\n"


def _direct(bench: Workbench, feature: int, followed: torch.Tensor, count: int) -> Direct | None:
    subject = bench.subject
    unembedding = subject.unembedding
    if unembedding is None:
        return None
    total = torch.zeros(unembedding.shape[1])
    for site, vector in bench.dictionary.writes(feature).items():
        reached = subject.to_residual(site, vector.float()[None])
        if reached is None:
            return None
        total += reached[0].cpu()
    logits = unembedding.float().cpu() @ total
    logits = logits - logits.mean()
    count = min(count, len(logits))

    def listed(ids: torch.Tensor) -> tuple[TokenLogit, ...]:
        names = strings(bench, ids.tolist())
        return tuple(TokenLogit(token=t, logit=v) for t, v in zip(names, logits[ids].tolist(), strict=True))

    low = logits.topk(count, largest=False).indices
    return Direct(promotes=listed(logits.topk(count).indices), suppresses=listed(low), followed=listed(followed))


def _measured(
    bench: Workbench, feature: int, arguments: LogitEffectsArguments, followed: torch.Tensor
) -> Measured | None:
    if arguments.texts is None:
        sample = draw(bench.train, feature, active=_TEXTS, silent=0, seed=bench.seed)
        rows = zip(sample.ids, sample.lengths, strict=True)
        ids = [row[:length].tolist() for row, length in rows]
    else:
        ids = token_ids(bench, arguments.texts)
    if not ids:
        return None
    site = bench.dictionary.input_site
    x = bench.run(bench.subject.batch(ids), capture=[site]).sites[site]
    acts = bench.dictionary.encode_one(x, feature).float().cpu()
    for row, text in zip(acts, ids, strict=True):
        row[0] = 0.0
        row[len(text) :] = 0.0
    some = [i for i in range(len(ids)) if acts[i].max() > 0]
    if not some:
        return None
    places = [int(acts[i].argmax()) for i in some]
    # What comes behind the place changes nothing there, unless the model looks ahead.
    texts = [ids[i][: place + 1] if bench.subject.causal else ids[i] for i, place in zip(some, places, strict=True)]
    before = clean(bench, texts, places, feature)
    amounts = torch.zeros_like(before.activations)
    each = torch.arange(len(texts))
    amounts[each, places] = -before.activations[each, places]
    without = changed(bench, before, amounts[None], "texts")[0]
    found = compared(bench, without, before.logits)
    raised, lowered = found.extremes(arguments.count)
    return Measured(
        texts=len(texts),
        activation=float(before.activations[each, places].mean()),
        promotes=raised,
        suppresses=lowered,
        followed=found.tokens(followed),
    )
