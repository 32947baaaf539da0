"""What changes in the predictions when a feature's activation does: one clean run, one with the change, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from autointerp.errors import Adapt, RetryWithOther
from autointerp.models import Batch, Edit, Operation
from autointerp.tools._bench import Workbench
from autointerp.tools._texts import strings
from autointerp.tools._tool import Result

#: Logits that one pass may return: 256 MiB.
_MOST_LOGITS = 1 << 26


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
    places: the column of each text after which predictions are compared.
    activations: of the feature, [texts, tokens], zero at BOS and padding.
    scale: of the dictionary's directions, [texts, tokens].
    logits: there, [texts, vocabulary].
    """

    ids: list[list[int]]
    batch: Batch
    places: list[int]
    activations: Tensor
    scale: Tensor
    logits: Tensor


def need_logits(bench: Workbench) -> None:
    """Raise Adapt for a model without logits."""
    if not bench.subject.has_logits:
        raise Adapt(f"{bench.subject.name} has no logits: look at activations instead, with activations_on")


def clean(bench: Workbench, ids: list[list[int]], places: list[int], feature: int) -> Clean:
    """Run texts as they are. Raises Adapt for a model without logits."""
    need_logits(bench)
    site, batch = bench.dictionary.input_site, bench.subject.batch(ids)
    xs, parts = [], []
    for rows in chunks(bench, len(ids), batch.ids.shape[1]):
        run = bench.run(Batch(batch.ids[rows], batch.mask[rows]), capture=[site], logits=True)
        assert run.logits is not None
        xs.append(run.sites[site])
        parts.append(run.logits[torch.arange(len(run.logits)), places[rows]].float())
    x = torch.cat(xs)
    activations = inside(bench, bench.dictionary.encode_one(x, feature).float(), ids)
    return Clean(ids, batch, places, activations, bench.dictionary.scale(x).float(), torch.cat(parts))


def chunks(bench: Workbench, rows: int, tokens: int) -> Iterator[slice]:
    """Slices of rows, each of whose logits fit the memory set aside for a pass."""
    size = max(1, _MOST_LOGITS // (tokens * len(bench.subject.strings)))
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))


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
    """Logits at the places, [rows, texts, vocabulary], with the activation changed by `amounts` [rows, texts, tokens].

    Raises RetryWithOther where the change is too large for finite logits.
    """
    rows, texts, tokens = amounts.shape
    # Two runs of one text may differ by rounding, which is no effect.
    same = (amounts == 0).all(-1)
    unchanged = before.logits.expand(rows, -1, -1)
    if same.all():
        return unchanged
    scaled = (amounts.to(before.scale) * before.scale).reshape(rows * texts, tokens, 1)
    writes = bench.dictionary.writes(feature)
    ids, mask = before.batch.ids.repeat(rows, 1), before.batch.mask.repeat(rows, 1)
    places, parts = before.places * rows, []
    for some in chunks(bench, rows * texts, tokens):
        edits = [Edit(site, Operation.ADD, scaled[some] * vector.to(scaled)) for site, vector in writes.items()]
        logits = bench.run(Batch(ids[some], mask[some]), edits=edits, logits=True).logits
        assert logits is not None
        parts.append(logits[torch.arange(len(logits)), places[some]].float())
    found = torch.cat(parts)
    if not found.isfinite().all():
        raise RetryWithOther(argument, "the model computes no finite logits with that: give a smaller change")
    return torch.where(same[..., None].to(found.device), unchanged, found.reshape(rows, texts, -1))


def kl(before: Tensor, after: Tensor) -> Tensor:
    """KL(before ‖ after) in nats of logits [..., vocabulary]."""
    p, q = before.log_softmax(-1), after.log_softmax(-1)
    return torch.nn.functional.kl_div(q, p, log_target=True, reduction="none").sum(-1).clamp(min=0.0)


def relative(before: Tensor, after: Tensor) -> Tensor:
    """Changes of logits less their mean over the vocabulary, which no softmax sees."""
    change = after - before
    return change - change.mean(-1, keepdim=True)


def shift(bench: Workbench, before: Clean, text: int, after: Tensor, count: int) -> Shift:
    """What changed in the prediction of one text, whose logits are now `after` [vocabulary]."""
    raised, lowered = extremes(bench, before.logits[text][None], after[None], count)
    place = before.places[text]
    return Shift(
        text=text,
        position=place - 1,
        token=strings(bench, [before.ids[text][place]])[0],
        kl=float(kl(before.logits[text], after)),
        raised=raised,
        lowered=lowered,
    )


def extremes(
    bench: Workbench, before: Tensor, after: Tensor, count: int
) -> tuple[tuple[TokenChange, ...], tuple[TokenChange, ...]]:
    """The tokens whose logits rise and fall most in the mean over texts, most first; logits are [texts, vocabulary]."""
    change = relative(before, after).mean(0)
    count = min(count, len(change))
    high, low = change.topk(count), change.topk(count, largest=False)
    raised, lowered = high.indices[high.values > 0], low.indices[low.values < 0]
    return tuple(token_changes(bench, before, after, raised)), tuple(token_changes(bench, before, after, lowered))


def token_changes(bench: Workbench, before: Tensor, after: Tensor, tokens: Tensor) -> list[TokenChange]:
    """What happens to some tokens, ids [tokens], in the mean over texts; logits are [texts, vocabulary]."""
    change = relative(before, after)[:, tokens].mean(0).tolist()
    p, q = (x.softmax(-1)[:, tokens].mean(0).tolist() for x in (before, after))
    names = strings(bench, tokens.tolist())
    return [
        TokenChange(token=name, before=b, after=a, logit_change=c)
        for name, b, a, c in zip(names, p, q, change, strict=True)
    ]


def told(changes: Sequence[TokenChange]) -> str:
    """Changes of tokens on one line."""
    return ", ".join(f"{c.token!r} {c.logit_change:+.2f} ({c.before:.3f} → {c.after:.3f})" for c in changes) or "none"
