"""What changes in the predictions when a feature's activation does: one clean run, one with the change, side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from autointerp.errors import Adapt, RetryWithOther
from autointerp.models import Batch, Edit, Operation
from autointerp.records import Site, SiteKind
from autointerp.tools._bench import Workbench
from autointerp.tools._compared import Compared, TokenChange
from autointerp.tools._texts import strings
from autointerp.tools._tool import Result

#: Logits that one pass may return: 256 MiB.
_MOST_LOGITS = 1 << 26


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
    places: the column of each text after which predictions are compared, int64 [texts].
    activations: of the feature, [texts, tokens], zero at BOS and padding.
    scale: of the dictionary's directions, [texts, tokens].
    logits: there, [texts, vocabulary].
    writes: the feature's direction at each site that it writes.
    start: a site before everything that the feature writes, and what was read there, from which a run with a change resumes;
        None where the model has none.
    """

    ids: list[list[int]]
    batch: Batch
    places: Tensor
    activations: Tensor
    scale: Tensor
    logits: Tensor
    writes: Mapping[Site, Tensor]
    start: tuple[Site, Tensor] | None


def need_logits(bench: Workbench) -> None:
    """Raise Adapt for a model without logits."""
    if not bench.subject.has_logits:
        raise Adapt(f"{bench.subject.name} has no logits: look at activations instead, with activations_on")


def clean(bench: Workbench, ids: list[list[int]], places: Sequence[int], feature: int) -> Clean:
    """Run texts as they are. Raises Adapt for a model without logits."""
    need_logits(bench)
    site, batch, after = bench.dictionary.input_site, bench.subject.batch(ids), torch.tensor(places)
    writes = bench.dictionary.writes(feature)
    before = stream_before(bench, writes)
    runs = [
        bench.run(Batch(batch.ids[rows], batch.mask[rows]), capture={site} | before, logits=after[rows])
        for rows in chunks(bench, len(ids), batch.ids.shape[1])
    ]
    x = joined([run.sites[site] for run in runs])
    return Clean(
        ids,
        batch,
        after,
        inside(bench, bench.dictionary.encode_one(x, feature).float(), ids),
        bench.dictionary.scale(x).float(),
        joined([run.logits.float() for run in runs if run.logits is not None]),
        writes,
        next(((start, joined([run.sites[start] for run in runs])) for start in before), None),
    )


def stream_before(bench: Workbench, sites: Iterable[Site]) -> frozenset[Site]:
    """The last residual stream from which a run still comes by all of these sites; empty where it cannot resume there."""
    anatomy, wanted = bench.subject.anatomy, list(sites)
    first = min(site.layer for site in wanted)
    behind = all(site.kind is SiteKind.RESID_POST for site in wanted if site.layer == first)
    layer = first if behind else first - 1
    # What comes before the first block, and the final site, are counted to layer 0.
    if layer < 0 or not anatomy.blocks:
        return frozenset()
    start = Site(layer=layer, kind=SiteKind.RESID_POST)
    return frozenset([start] if start in anatomy.points else [])


def joined(parts: Sequence[Tensor]) -> Tensor:
    """One after the other; one alone as it is, without a copy."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))


def chunks(bench: Workbench, rows: int, tokens: int) -> Iterator[slice]:
    """Slices of rows, each of whose logits fit the memory set aside for a pass."""
    size = max(1, _MOST_LOGITS // (tokens * len(bench.subject.strings)))
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))


def inside(bench: Workbench, values: Tensor, ids: Sequence[Sequence[int]]) -> Tensor:
    """Values [texts, tokens] with zero at BOS, at what closes a text, and at padding. Raises Adapt where one is not finite."""
    kept = values.detach().clone()
    kept[:, 0] = 0.0
    for row, text in enumerate(ids):
        if len(text) < kept.shape[1]:
            kept[row, len(text) :] = 0.0
    # A sum that is finite has finite terms; one that is not may also be of large ones.
    if not math.isfinite(kept.sum()) and not kept.isfinite().all():
        raise Adapt(f"{bench.subject.name} computes activations that are not finite on such texts: give others")
    return kept


def changed(bench: Workbench, before: Clean, amounts: Tensor, argument: str) -> Tensor:
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
    ids, mask, places = (_times(x, rows) for x in (before.batch.ids, before.batch.mask, before.places))
    parts = []
    for some in chunks(bench, rows * texts, tokens):
        edits = [Edit(site, Operation.ADD, scaled[some] * vector.to(scaled)) for site, vector in before.writes.items()]
        start = before.start and (before.start[0], _times(before.start[1], rows)[some])
        logits = bench.run(Batch(ids[some], mask[some]), edits=edits, logits=places[some], start=start).logits
        assert logits is not None
        parts.append(logits.float())
    found = joined(parts)
    if not math.isfinite(found.sum()) and not found.isfinite().all():
        raise RetryWithOther(argument, "the model computes no finite logits with that: give a smaller change")
    if not same.any():
        return found.reshape(rows, texts, -1)
    return torch.where(same[..., None].to(found.device), unchanged, found.reshape(rows, texts, -1))


def _times(x: Tensor, count: int) -> Tensor:
    """All texts again and again, the first axis being theirs."""
    return x if count == 1 else x.repeat(count, *(1,) * (x.ndim - 1))


def compared(bench: Workbench, before: Tensor, after: Tensor) -> Compared:
    """Predictions from logits [texts, vocabulary] before and after."""
    return Compared.of(bench.subject.strings, before, after)


def shift(bench: Workbench, before: Clean, text: int, after: Tensor, count: int) -> Shift:
    """What changed in the prediction of one text, whose logits are now `after` [vocabulary]."""
    found = compared(bench, before.logits[text][None], after[None])
    raised, lowered = found.extremes(count)
    place = int(before.places[text])
    return Shift(
        text=text,
        position=place - 1,
        token=strings(bench, [before.ids[text][place]])[0],
        kl=found.kl(),
        raised=raised,
        lowered=lowered,
    )
