"""How well scores of edges find the edges of a circuit that is known."""

from __future__ import annotations

import torch
from torch import Tensor

from autointerp.circuits._graph import Circuit
from autointerp.records import Score, ScoreResult, Unscored

_RESAMPLES = 500


def auroc(scores: Tensor, truth: Tensor) -> float:
    """The chance that a true edge scores above a false one, ties counting half: the area from (0, 0) to (1, 1)."""
    order = scores.double()
    true, false = order[truth], order[~truth]
    above = (true[:, None] > false[None, :]).double() + 0.5 * (true[:, None] == false[None, :]).double()
    return float(above.mean())


def auprc(scores: Tensor, truth: Tensor) -> float:
    """The area under precision over recall, by steps (average precision); tied scores are one step."""
    values, inverse = torch.unique(-scores.double(), return_inverse=True)
    hits = torch.zeros(len(values), dtype=torch.float64).index_add(0, inverse, truth.double()).cumsum(0)
    seen = (
        torch.zeros(len(values), dtype=torch.float64).index_add(0, inverse, torch.ones_like(truth).double()).cumsum(0)
    )
    gained = torch.diff(hits, prepend=torch.zeros(1, dtype=torch.float64)) / hits[-1]
    return float((gained * hits / seen).sum())


def edge_scores(scores: Tensor, truth: Circuit, *, seed: int = 0) -> list[ScoreResult]:
    """AUROC and AUPRC of the absolute scores [targets, sources] of all edges against a known circuit.

    Intervals over resampled edges, true and false ones each among themselves. `control` is what chance gets.
    """
    allowed = truth.graph.allowed
    size, wanted = scores.abs()[allowed], truth.edges[allowed]
    names = ("edge AUROC", "edge AUPRC")
    if not bool(torch.isfinite(size).all()):
        return [Unscored(name=name, reason="some scores are no numbers: look at the metric") for name in names]
    if bool(wanted.all()) or not bool(wanted.any()):
        return [Unscored(name=name, reason="every edge or none is true: there is nothing to rank") for name in names]
    generator = torch.Generator().manual_seed(seed)
    true, false = size[wanted], size[~wanted]
    share = float(wanted.double().mean())
    results: list[ScoreResult] = []
    for name, measure, chance in ((names[0], auroc, 0.5), (names[1], auprc, share)):
        drawn = []
        for _ in range(_RESAMPLES):
            one = true[torch.randint(len(true), (len(true),), generator=generator)]
            other = false[torch.randint(len(false), (len(false),), generator=generator)]
            labels = torch.arange(len(one) + len(other)) < len(one)
            drawn.append(measure(torch.cat([one, other]), labels))
        values, value = torch.tensor(drawn, dtype=torch.float64), measure(size, wanted)
        low, high = float(values.quantile(0.025)), float(values.quantile(0.975))
        results.append(
            Score(
                name=name, value=value, ci=(min(low, value), max(high, value)), n=len(size), control={"chance": chance}
            )
        )
    return results
