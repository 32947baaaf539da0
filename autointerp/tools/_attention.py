"""`attention`: where a head looks in a text, and what it moves from there."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from autointerp.errors import Adapt, RetryWithOther
from autointerp.records import Site, SiteKind, TokenLogit
from autointerp.tools._bench import Workbench
from autointerp.tools._texts import FeatureNumber, Text, columns, feature_number, strings, token_ids, visible
from autointerp.tools._tool import Arguments, Result, Tool


class AttentionArguments(Arguments):
    """Which head, on which text, and from which tokens it looks."""

    text: Annotated[Text, Field(description="A text of your own.")]
    layer: Annotated[int, Field(ge=0, description="Layer of the head, from 0.")]
    head: Annotated[int, Field(ge=0, description="Number of the head in its layer, from 0.")]
    queries: Annotated[
        tuple[int, ...] | None,
        Field(
            min_length=1,
            max_length=64,
            description="Positions that look: 0 is the first token, -1 the last. Null for all.",
        ),
    ] = None
    feature: FeatureNumber = None
    keys: Annotated[int, Field(ge=1, le=20, description="How many of the positions looked at to list for each.")] = 4
    count: Annotated[int, Field(ge=0, le=20, description="How many promoted tokens to list for each.")] = 4


class Look(Result):
    """One position looked at: position −1 is BOS.

    `weight` is the share of attention; `moved` the norm of what is moved from there to the residual stream; `toward_feature`
    its dot product with the feature's direction of unit length, null where the feature does not write to the stream.
    """

    position: int
    token: str
    weight: float
    moved: float
    toward_feature: float | None


class Query(Result):
    """One position that looks.

    `keys` are the positions with the most attention, most first; `entropy` is that of all its attention, in nats; `promotes`
    the tokens whose logits the head's whole output there raises most through the unembedding alone, less the mean over the
    vocabulary and without the final norm's division.
    """

    position: int
    token: str
    entropy: float
    keys: tuple[Look, ...]
    promotes: tuple[TokenLogit, ...]


class AttentionResult(Result):
    """One head on one text."""

    layer: int
    head: int
    heads: int
    feature: int
    queries: tuple[Query, ...]


class Attention(Tool[AttentionArguments, AttentionResult]):
    """See the module."""

    name = "attention"
    description = (
        "Where an attention head looks in a text, and what it moves: for each position, the positions with most attention"
        " (weights add up to 1), the norm of what is moved from each to the residual stream and how far that goes in the"
        " direction of a feature, and the tokens that the head's output there promotes."
    )
    arguments = AttentionArguments
    result = AttentionResult

    def run(self, bench: Workbench, arguments: AttentionArguments) -> AttentionResult:
        """See `Tool.run`."""
        feature = feature_number(bench, arguments.feature)
        pattern_at, values_at, out_at = _sites(bench, arguments.layer)
        (ids,) = token_ids(bench, [arguments.text], "text")
        places = columns(arguments.queries, ids, "queries")
        run = bench.run(bench.subject.batch([ids]), capture=[pattern_at, values_at, out_at])
        pattern = run.sites[pattern_at][0].float()
        heads, head = len(pattern), arguments.head
        if head >= heads:
            raise RetryWithOther("head", f"layer {arguments.layer} has no head {head}: give 0 to {heads - 1}")
        weights = pattern[head][:, : len(ids)]
        moved = _moved(bench, run.sites[values_at][0].float(), heads, head, out_at)[: len(ids)]
        direction = _direction(bench, feature)
        names = strings(bench, ids)
        found = []
        for place in places:
            row = weights[place]
            contributions = row[:, None] * moved
            best = row.topk(min(arguments.keys, len(row))).indices.tolist()
            looks = tuple(
                Look(
                    position=key - 1,
                    token=names[key],
                    weight=float(row[key]),
                    moved=float(contributions[key].norm()),
                    toward_feature=None
                    if direction is None
                    else float(contributions[key] @ direction.to(contributions)),
                )
                for key in best
            )
            share = row[row > 0]
            found.append(
                Query(
                    position=place - 1,
                    token=names[place],
                    entropy=max(0.0, float(-(share * share.log()).sum())),
                    keys=looks,
                    promotes=_promotes(bench, contributions.sum(0), arguments.count),
                )
            )
        return AttentionResult(layer=arguments.layer, head=head, heads=heads, feature=feature, queries=tuple(found))

    def render(self, result: AttentionResult) -> str:
        """See `Tool.render`."""
        lines = [
            f"head {result.head} of {result.heads} in layer {result.layer}: position 'token' ← position 'token' weight (norm of"
            f" what is moved, part of it in the direction of feature {result.feature})"
        ]
        for query in result.queries:
            looks = []
            for look in query.keys:
                toward = "" if look.toward_feature is None else f", {look.toward_feature:+.3f}"
                looks.append(f"{look.position} '{visible(look.token)}' {look.weight:.2f} ({look.moved:.3f}{toward})")
            lines.append(
                f"{query.position} '{visible(query.token)}' ← {'; '.join(looks)}; entropy {query.entropy:.2f} nats"
            )
            if query.promotes:
                lines.append("  promotes " + ", ".join(f"{t.token!r} {t.logit:+.3f}" for t in query.promotes))
        return "\n".join(lines) + "\n"


def _sites(bench: Workbench, layer: int) -> tuple[Site, Site, Site]:
    """Pattern, values and heads' outputs of a layer. Raises Adapt where the model does not have them."""
    subject = bench.subject
    if layer >= subject.layers:
        raise RetryWithOther("layer", f"there is no layer {layer}: give 0 to {subject.layers - 1}")
    kinds = SiteKind.PATTERN, SiteKind.V, SiteKind.HEAD_OUT
    wanted = [Site(layer=layer, kind=kind) for kind in kinds]
    there = set(subject.sites())
    if absent := [str(site) for site in wanted if site not in there]:
        raise Adapt(f"{subject.name} does not show {' and '.join(absent)}: patch attn_out.{layer} instead")
    return wanted[0], wanted[1], wanted[2]


def _moved(bench: Workbench, values: Tensor, heads: int, head: int, out_at: Site) -> Tensor:
    """What the head would move from each token with all its attention there, in the residual stream, [tokens, width]."""
    size = bench.subject.width_of(out_at) // heads
    group = heads // (values.shape[-1] // size)
    start = head // group * size
    whole = values.new_zeros(len(values), heads * size)
    whole[:, head * size : (head + 1) * size] = values[:, start : start + size]
    reached = bench.subject.to_residual(out_at, whole)
    if reached is None:
        raise Adapt(f"what heads of {bench.subject.name} write is not linear in their output: patch head_out instead")
    return reached.float()


def _direction(bench: Workbench, feature: int) -> Tensor | None:
    dictionary = bench.dictionary
    reached = bench.subject.to_residual(dictionary.output_site, dictionary.direction(feature).float()[None])
    return None if reached is None else torch.nn.functional.normalize(reached[0], dim=0)


def _promotes(bench: Workbench, output: Tensor, count: int) -> tuple[TokenLogit, ...]:
    unembedding = bench.subject.unembedding
    if unembedding is None or not count:
        return ()
    logits = unembedding.float() @ output.to(unembedding.device)
    logits = logits - logits.mean()
    best = logits.topk(min(count, len(logits)))
    names = strings(bench, best.indices.tolist())
    return tuple(TokenLogit(token=t, logit=v) for t, v in zip(names, best.values.tolist(), strict=True))
