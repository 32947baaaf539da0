"""What changes in the predictions when a feature's activation does: one clean run, one with the change, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from autointerp.errors import Adapt, RetryWithOther
from autointerp.models import Batch, Edit, Operation
from autointerp.tools._bench import Workbench
from autointerp.tools._texts import strings
from autointerp.tools._tool import Result


class TokenChange(Result):
    """A possible next token: its probability before and after, and the change of its logit less the mean change."""

    token: str
    before: float
    after: float
    logit_change: float


class Shift(Result):
    """How the prediction after one token of a text changed."""

    text: int
    position: int
    token: str
    kl: float
    raised: tuple[TokenChange, ...]
    lowered: tuple[TokenChange, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Clean:
    """Texts as they are.

    Attributes
    ----------
    ids, batch: the texts, BOS first, and the same with padding.
    activations: of the feature, [texts, tokens], zero at BOS and padding.
    scale: of the dictionary's directions, [texts, tokens].
    logits: [texts, tokens, vocabulary].
    """

    ids: list[list[int]]
    batch: Batch
    activations: Tensor
    scale: Tensor
    logits: Tensor


def need_logits(bench: Workbench) -> None:
    """Raise Adapt for a model without logits."""
    if not bench.subject.has_logits:
        raise Adapt(f"{bench.subject.name} has no logits: look at activations instead, with activations_on")


def clean(bench: Workbench, ids: list[list[int]], feature: int) -> Clean:
    """Run texts as they are. Raises Adapt for a model without logits."""
    need_logits(bench)
    site, batch = bench.dictionary.input_site, bench.subject.batch(ids)
    run = bench.run(batch, capture=[site], logits=True)
    assert run.logits is not None
    x = run.sites[site]
    activations = inside(bench, bench.dictionary.encode_one(x, feature).float(), ids)
    return Clean(ids, batch, activations, bench.dictionary.scale(x).float(), run.logits.float())


def inside(bench: Workbench, values: Tensor, ids: Sequence[Sequence[int]]) -> Tensor:
    """Values [texts, tokens] with zero at BOS, at what closes a text, and at padding. Raises Adapt where one is not finite."""
    kept = values.detach().clone()
    kept[:, 0] = 0.0
    for row, text in zip(kept, ids, strict=True):
        row[len(text) :] = 0.0
    if not kept.isfinite().all():
        raise Adapt(f"{bench.subject.name} computes activations that are not finite on such texts: give others")
    return kept


def changed(bench: Workbench, before: Clean, feature: int, amounts: Tensor, argument: str) -> Tensor:
    """Logits [rows · texts, tokens, vocabulary] with the activation changed by `amounts` [rows, texts, tokens].

    Raises RetryWithOther where the change is too large for finite logits.
    """
    rows, texts, tokens = amounts.shape
    scaled = (amounts.to(before.scale) * before.scale)[..., None].reshape(rows * texts, tokens, 1)
    edits = [
        Edit(site, Operation.ADD, scaled * vector.to(scaled))
        for site, vector in bench.dictionary.writes(feature).items()
    ]
    batch = Batch(before.batch.ids.repeat(rows, 1), before.batch.mask.repeat(rows, 1))
    logits = bench.run(batch, edits=edits, logits=True).logits
    assert logits is not None
    if not logits.isfinite().all():
        raise RetryWithOther(argument, "the model computes no finite logits with that: give a smaller change")
    return logits.float()


def kl(before: Tensor, after: Tensor) -> Tensor:
    """KL(before ‖ after) in nats of logits [..., vocabulary]."""
    p, q = before.log_softmax(-1), after.log_softmax(-1)
    return torch.nn.functional.kl_div(q, p, log_target=True, reduction="none").sum(-1).clamp(min=0.0)


def relative(before: Tensor, after: Tensor) -> Tensor:
    """Changes of logits less their mean over the vocabulary, which no softmax sees."""
    change = after - before
    return change - change.mean(-1, keepdim=True)


def shift(
    bench: Workbench, text: int, ids: Sequence[int], place: int, before: Tensor, after: Tensor, count: int
) -> Shift:
    """What changed in the prediction at `place` of the ids, from logits [vocabulary] before and after."""
    raised, lowered = extremes(bench, before, after, count)
    return Shift(
        text=text,
        position=place - 1,
        token=strings(bench, [ids[place]])[0],
        kl=float(kl(before, after)),
        raised=raised,
        lowered=lowered,
    )


def extremes(
    bench: Workbench, before: Tensor, after: Tensor, count: int
) -> tuple[tuple[TokenChange, ...], tuple[TokenChange, ...]]:
    """The tokens whose logits rise and fall most, most first; logits are [vocabulary]."""
    change = relative(before, after)
    p, q = before.softmax(-1), after.softmax(-1)
    count = min(count, len(change))

    def listed(ids: list[int]) -> tuple[TokenChange, ...]:
        return tuple(
            TokenChange(token=token, before=float(p[i]), after=float(q[i]), logit_change=float(change[i]))
            for i, token in zip(ids, strings(bench, ids), strict=True)
        )

    return listed(change.topk(count).indices.tolist()), listed(change.topk(count, largest=False).indices.tolist())


def told(shifts: Sequence[TokenChange]) -> str:
    """Changes of tokens on one line."""
    return ", ".join(f"{c.token!r} {c.logit_change:+.2f} ({c.before:.3f} → {c.after:.3f})" for c in shifts)
