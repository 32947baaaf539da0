"""`attribute`: which tokens of a text, and which parts of the model before a feature, drive its activation."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from autointerp.dictionaries import Dictionary
from autointerp.errors import Adapt, RetryWithOther
from autointerp.models import At, Objective
from autointerp.records import Site, SiteKind
from autointerp.tools._bench import Workbench
from autointerp.tools._texts import FeatureNumber, Text, column, feature_number, strings, token_ids, visible
from autointerp.tools._tool import Arguments, Result, Tool


class AttributeArguments(Arguments):
    """Which activation, and how many causes to list."""

    text: Annotated[Text, Field(description="A text of your own.")]
    feature: FeatureNumber = None
    position: Annotated[
        int | None,
        Field(
            description="The token at which to explain the activation: 0 is the first, -1 the last. Null: strongest."
        ),
    ] = None
    count: Annotated[int, Field(ge=1, le=50, description="How many parts of the model to list.")] = 12


class TokenShare(Result):
    """One token of the text, with gradient × input of its embedding, in activation units."""

    position: int
    token: str
    attribution: float


class Cause(Result):
    """One part of the model at one token: a neuron, a head, or a feature of another dictionary.

    `activation` is its own (for a head the norm of its output); `attribution` is activation × gradient, in units of the
    activation that is explained: by how much that would fall, to first order, without it.
    """

    part: str
    position: int
    token: str
    activation: float
    attribution: float


class AttributeResult(Result):
    """What drives one activation: by token (position −1 is BOS), and by part of the model, largest first."""

    feature: int
    position: int
    token: str
    activation: float
    tokens: tuple[TokenShare, ...]
    causes: tuple[Cause, ...]


class Attribute(Tool[AttributeArguments, AttributeResult]):
    """See the module."""

    name = "attribute"
    description = (
        "Which input tokens and which earlier neurons, heads and features drive a feature's activation at one token: gradient"
        " × input, a first-order estimate in activation units. An estimate: confirm what matters with minimal_pairs or patch."
    )
    arguments = AttributeArguments
    result = AttributeResult

    def run(self, bench: Workbench, arguments: AttributeArguments) -> AttributeResult:
        """See `Tool.run`."""
        feature = feature_number(bench, arguments.feature)
        (ids,) = token_ids(bench, [arguments.text], "text")
        batch = bench.subject.batch([ids])
        read = bench.dictionary.input_site
        embed, earlier, upstream = _before(bench, read)
        reads = {d.input_site for d in upstream}
        first = bench.run(batch, capture=[read, *reads])
        place, activation, gradient = _objective(bench, first.sites[read], feature, arguments.position, ids)
        wanted = {
            embed,
            *earlier,
            *(site for d in upstream for site in d.output_sites if _comes_before(bench, site, read)),
        }
        goal = Objective(gradient, read, At((place,)))
        run = bench.run(batch, capture=wanted, grad_of=goal)
        share = (run.grads[embed][0] * run.sites[embed][0]).float().sum(-1)
        # A causal model has nothing to say of the tokens behind.
        share = share[: place + 1 if bench.subject.causal else len(ids)]
        names = strings(bench, ids)
        causes = [
            c for site in earlier for c in _parts(site, run.sites[site][0], run.grads[site][0], bench, arguments.count)
        ]
        for dictionary in upstream:
            causes += _features(dictionary, first.sites[dictionary.input_site][0], run.grads, len(ids), arguments.count)
        causes.sort(key=lambda cause: -abs(cause[3]))
        return AttributeResult(
            feature=feature,
            position=place - 1,
            token=names[place],
            activation=activation,
            tokens=tuple(
                TokenShare(position=i - 1, token=names[i], attribution=value) for i, value in enumerate(share.tolist())
            ),
            causes=tuple(
                Cause(part=part, position=i - 1, token=names[i], activation=own, attribution=value)
                for part, i, own, value in causes[: arguments.count]
            ),
        )

    def render(self, result: AttributeResult) -> str:
        """See `Tool.render`."""
        lines = [
            f"feature {result.feature} at {result.position} '{visible(result.token)}', activation {result.activation:.4g}:"
            " gradient × input, in activation units",
            "by token: " + ", ".join(f"{t.position} '{visible(t.token)}' {t.attribution:+.3f}" for t in result.tokens),
        ]
        lines += [
            f"{cause.part} at {cause.position} '{visible(cause.token)}': {cause.attribution:+.3f} (its activation"
            f" {cause.activation:.3g})"
            for cause in result.causes
        ]
        if not result.causes:
            lines.append("nothing that can be listed lies between the embedding and the feature")
        return "\n".join(lines) + "\n"


def _comes_before(bench: Workbench, site: Site, read: Site) -> bool:
    order = bench.subject.sites()
    return order.index(site) < order.index(read)


def _before(bench: Workbench, read: Site) -> tuple[Site, list[Site], list[Dictionary]]:
    """The embedding, the sites of neurons and heads before a site, and the dictionaries that write something before it."""
    order = bench.subject.sites()
    embed = next((site for site in order if site.kind is SiteKind.EMBED), None)
    if embed is None:
        raise Adapt(f"{bench.subject.name} has no site at the embedding: try minimal_pairs")
    earlier = [site for site in order[: order.index(read)] if site.kind in (SiteKind.MLP_HIDDEN, SiteKind.HEAD_OUT)]
    upstream = [d for d in bench.upstream if any(_comes_before(bench, site, read) for site in d.output_sites)]
    return embed, earlier, upstream


def _objective(
    bench: Workbench, x: Tensor, feature: int, position: int | None, ids: list[int]
) -> tuple[int, float, Tensor]:
    """The place to explain, the activation there, and its gradient with respect to what the dictionary reads there."""
    dictionary = bench.dictionary
    acts = dictionary.encode_one(x, feature)[0].detach().float()[: len(ids)].clone()
    acts[0] = 0.0
    place = int(acts.argmax()) if position is None else column(position, ids, "position")
    activation = float(acts[place])
    if activation <= 0:
        active = [i - 1 for i, value in enumerate(acts.tolist()) if value > 0]
        if not active:
            raise RetryWithOther("text", "the feature is silent in it: give a text that activates it")
        raise RetryWithOther("position", f"the feature is silent there: it is active at {active[:20]}")
    with torch.enable_grad():
        own = x[0, place].detach().clone().requires_grad_()
        value = dictionary.encode_one(own[None], feature)[0]
        if not value.requires_grad:
            raise Adapt(f"activations of {dictionary.name} have no gradient: try minimal_pairs")
        (gradient,) = torch.autograd.grad(value, own)
    return place, activation, gradient.detach()


Found = tuple[str, int, float, float]


def _parts(site: Site, x: Tensor, gradient: Tensor, bench: Workbench, count: int) -> list[Found]:
    """The neurons or heads of a site that contribute most: name, place, activation, attribution."""
    product = (x * gradient).float()
    own = x.float()
    if site.kind is SiteKind.HEAD_OUT:
        heads = getattr(getattr(bench.subject.module, "config", None), "num_attention_heads", None)
        if not isinstance(heads, int) or product.shape[-1] % heads:
            return []
        product = product.unflatten(-1, (heads, -1)).sum(-1)
        own = own.unflatten(-1, (heads, -1)).norm(dim=-1)
    name = "head" if site.kind is SiteKind.HEAD_OUT else "neuron"
    best = product.abs().flatten().topk(min(count, product.numel())).indices.tolist()
    width = product.shape[1]
    found = [(i // width, i % width) for i in best]
    return [
        (f"{name} {site.layer}.{j}", i, float(own[i, j]), float(product[i, j])) for i, j in found if product[i, j] != 0
    ]


def _features(dictionary: Dictionary, x: Tensor, grads: dict[Site, Tensor], tokens: int, count: int) -> list[Found]:
    """The features of a dictionary that contribute most, BOS left out."""
    acts = dictionary.encode(x[:tokens])
    scale = dictionary.scale(x[:tokens]).float()
    total = torch.zeros(len(acts.values), device=acts.values.device)
    used, back = acts.features.unique(return_inverse=True)
    for site in dictionary.output_sites:
        if site not in grads:
            continue
        rows = torch.stack([dictionary.directions_at(site, f, f + 1)[0].float() for f in used.tolist()])
        total += (grads[site][0][acts.rows].float() * rows[back].to(grads[site])).sum(-1)
    total *= acts.values * scale[acts.rows]
    total[acts.rows == 0] = 0.0
    best = total.abs().topk(min(count, len(total))).indices.tolist()
    return [
        (f"{dictionary.name} {int(acts.features[i])}", int(acts.rows[i]), float(acts.values[i]), float(total[i]))
        for i in best
        if total[i] != 0
    ]
