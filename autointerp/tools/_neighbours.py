"""`neighbours`: the features nearest to one, by direction and by firing together."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from autointerp.errors import Adapt
from autointerp.tools._bench import Workbench
from autointerp.tools._examples import sample_texts
from autointerp.tools._texts import FeatureNumber, feature_number
from autointerp.tools._tool import Arguments, Result, Tool

#: Directions that are compared at a time, and texts of a pass.
_ROWS, _BATCH = 8192, 32
#: Texts of the train split, of each kind, on which features are seen to fire together.
_TEXTS = 32


class NeighboursArguments(Arguments):
    """Of which feature, in which sense, and how many."""

    feature: FeatureNumber = None
    by: Annotated[
        Literal["direction", "coactivation"],
        Field(
            description="direction: cosine of what features write. coactivation: which features fire at the same tokens, on"
            " texts of the train split."
        ),
    ] = "direction"
    count: Annotated[int, Field(ge=1, le=50, description="How many features to list.")] = 10


class Near(Result):
    """One neighbour.

    By direction `cosine` is given; by coactivation `phi`, the correlation of being active (phi coefficient), with the shares of
    tokens at which the neighbour is active among those where the feature is, and among those where it is not.
    """

    feature: int
    cosine: float | None = None
    phi: float | None = None
    when_active: float | None = None
    when_silent: float | None = None


class NeighboursResult(Result):
    """Nearest first. `tokens` and `active` are how many tokens were looked at, and at how many the feature was active."""

    feature: int
    by: str
    near: tuple[Near, ...]
    tokens: int = 0
    active: int = 0


class Neighbours(Tool[NeighboursArguments, NeighboursResult]):
    """See the module."""

    name = "neighbours"
    description = (
        "The features nearest to one: by the cosine of their directions, or by firing at the same tokens on texts of the train"
        " split (phi coefficient). A near feature may share, split or duplicate its meaning: compare_features and"
        " top_examples of both tell."
    )
    arguments = NeighboursArguments
    result = NeighboursResult

    def run(self, bench: Workbench, arguments: NeighboursArguments) -> NeighboursResult:
        """See `Tool.run`."""
        feature = feature_number(bench, arguments.feature)
        if bench.dictionary.size < 2:
            raise Adapt(f"{bench.dictionary.name} has one feature alone, which has no neighbours")
        if arguments.by == "direction":
            return NeighboursResult(feature=feature, by="direction", near=by_direction(bench, feature, arguments.count))
        return by_coactivation(bench, feature, arguments.count)

    def render(self, result: NeighboursResult) -> str:
        """See `Tool.render`."""
        if result.by == "direction":
            return f"nearest to feature {result.feature} by direction, feature (cosine): " + (
                ", ".join(f"{n.feature} ({n.cosine:+.3f})" for n in result.near) + "\n"
            )
        lines = [
            f"features active where {result.feature} is, over {result.tokens} tokens of the train split, {result.active} of"
            " which activate it"
        ]
        lines += [
            f"{n.feature}: phi {n.phi:+.3f}, active at {n.when_active:.1%} of its tokens and {n.when_silent:.1%} of the others"
            for n in result.near
        ]
        return "\n".join(lines) + "\n"


def by_direction(bench: Workbench, feature: int, count: int) -> tuple[Near, ...]:
    """The features with the largest cosine, directions being read a chunk at a time."""
    dictionary = bench.dictionary
    own = torch.nn.functional.normalize(dictionary.direction(feature).float(), dim=0)
    parts = []
    for start in range(0, dictionary.size, _ROWS):
        rows = dictionary.directions(start, min(start + _ROWS, dictionary.size)).float()
        parts.append(torch.nn.functional.normalize(rows, dim=1) @ own.to(rows))
    cosines = torch.cat(parts)
    cosines[feature] = -2.0
    best = cosines.topk(min(count, dictionary.size - 1))
    return tuple(Near(feature=i, cosine=c) for i, c in zip(best.indices.tolist(), best.values.tolist(), strict=True))


def by_coactivation(bench: Workbench, feature: int, count: int) -> NeighboursResult:
    """The features whose being active correlates most, on active and silent texts of the train split in equal number."""
    sample = sample_texts(_of(bench, feature), active=_TEXTS, silent=_TEXTS)
    if not sample.active:
        raise Adapt(f"feature {feature} fires nowhere in the train split: ask for neighbours by direction")
    dictionary, subject = bench.dictionary, bench.subject
    together, alone = torch.zeros(dictionary.size), torch.zeros(dictionary.size)
    active = tokens = 0
    for start in range(0, len(sample.ids), _BATCH):
        rows = range(start, min(start + _BATCH, len(sample.ids)))
        batch = subject.batch([sample.ids[row, : sample.lengths[row]].tolist() for row in rows])
        x = bench.run(batch, capture=[dictionary.input_site]).sites[dictionary.input_site]
        real = torch.zeros(x.shape[:2], dtype=torch.bool)
        for row, length in zip(real, sample.lengths[rows.start : rows.stop].tolist(), strict=True):
            row[1:length] = True
        acts = dictionary.encode(x[real.to(x.device)])
        positions, features, values = acts.rows.cpu(), acts.features.cpu(), acts.values.cpu()
        some = values > 0
        positions, features = positions[some], features[some]
        fires = torch.zeros(int(real.sum()), dtype=torch.bool)
        fires[positions[features == feature]] = True
        for where, counts in ((fires, together), (~fires, alone)):
            counts += torch.bincount(features[where[positions]], minlength=dictionary.size)
        active, tokens = active + int(fires.sum()), tokens + len(fires)
    phi = _phi(together, alone, active, tokens)
    phi[feature] = -2.0
    best = phi.topk(min(count, dictionary.size - 1))
    near = tuple(
        Near(
            feature=i,
            phi=value,
            when_active=float(together[i]) / active if active else 0.0,
            when_silent=float(alone[i]) / (tokens - active) if tokens > active else 0.0,
        )
        for i, value in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        if value > 0
    )
    return NeighboursResult(feature=feature, by="coactivation", near=near, tokens=tokens, active=active)


def _phi(together: Tensor, alone: Tensor, active: int, tokens: int) -> Tensor:
    """The phi coefficient of two events from the counts of both, of the other alone, of the one, and of all."""
    share, other = active / tokens, (together + alone) / tokens
    spread = (share * (1 - share) * other * (1 - other)).sqrt()
    phi = (together / tokens - share * other) / spread
    return torch.where(spread > 0, phi, torch.zeros_like(phi))


def _of(bench: Workbench, feature: int) -> Workbench:
    from dataclasses import replace

    return replace(bench, feature=bench.feature.model_copy(update={"index": feature}))
