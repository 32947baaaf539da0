"""How much of the model's behaviour a circuit keeps: faithfulness, the curve over sizes and what it adds up to."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from autointerp.circuits._ablation import Ablation
from autointerp.circuits._anatomised import Parts
from autointerp.circuits._edge_run import metric_of_circuits
from autointerp.circuits._graph import Circuit, top_edges
from autointerp.circuits._task import Task
from autointerp.errors import InputError
from autointerp.records import Score, ScoreResult, Unscored

#: The shares of the edges at which a curve is read (Mueller et al., 2025).
SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
#: Below this share of its size, the metric's range is no range: every ratio to it would be noise.
_FLAT = 1e-4
_RESAMPLES = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """The metric of each pair in the whole model, with everything ablated, and for some circuits [circuits, pairs]."""

    whole: Tensor
    nothing: Tensor
    circuits: Tensor

    def fault(self) -> str | None:
        """Why no share of the metric's range can be given, or None where it can."""
        everything = torch.cat([self.whole, self.nothing, self.circuits.flatten()])
        if not bool(torch.isfinite(everything).all()):
            return "the metric is not a number on some prompts: look at the answers, and at the model's logits"
        span = float((self.whole.mean() - self.nothing.mean()).abs())
        size = float(torch.cat([self.whole, self.nothing]).abs().max())
        if span <= _FLAT * max(size, 1e-12):
            return (
                f"the metric is {float(self.whole.mean()):.4g} in the model and as good as the same with everything ablated: "
                "the prompts do not tell the two apart"
            )
        return None

    def shares(self, pairs: Tensor | None = None) -> Tensor:
        """Faithfulness of each circuit over some of the pairs, [circuits]: a ratio of means."""
        chosen = torch.arange(len(self.whole)) if pairs is None else pairs
        whole, nothing = self.whole[chosen].mean(), self.nothing[chosen].mean()
        return (self.circuits[:, chosen].mean(1) - nothing) / (whole - nothing)


def run_all(parts: Parts, task: Task, circuits: Sequence[Circuit], ablation: Ablation, *, seed: int = 0) -> Runs:
    """The metric of the model, of nothing, and of circuits. Raises InputError where the ablation is not defined."""
    edges = [Circuit.whole(parts.graph), Circuit.empty(parts.graph), *circuits]
    found = metric_of_circuits(parts, task, edges, ablation=ablation, seed=seed)
    return Runs(found[0], found[1], found[2:])


def interval(
    measure: Callable[[Tensor], float], pairs: int, *, seed: int, resamples: int = _RESAMPLES
) -> tuple[float, float]:
    """The 95% bootstrap interval of a measure over pairs, which it is given by number."""
    generator = torch.Generator().manual_seed(seed)
    drawn = [measure(torch.randint(pairs, (pairs,), generator=generator)) for _ in range(resamples)]
    values = torch.tensor([value for value in drawn if math.isfinite(value)], dtype=torch.float64)
    if not len(values):
        return -math.inf, math.inf
    return float(values.quantile(0.025)), float(values.quantile(0.975))


def random_circuits(circuit: Circuit, count: int, *, seed: int) -> list[Circuit]:
    """Circuits of as many edges drawn at random from all there are: the control of every score of a circuit."""
    generator, graph = torch.Generator().manual_seed(seed), circuit.graph
    places = torch.argwhere(graph.allowed)
    found = []
    for _ in range(count):
        chosen = places[torch.randperm(len(places), generator=generator)[: len(circuit)]]
        edges = torch.zeros_like(graph.allowed)
        edges[chosen[:, 0], chosen[:, 1]] = True
        found.append(Circuit(graph, edges))
    return found


def faithfulness(
    parts: Parts,
    task: Task,
    circuit: Circuit,
    *,
    ablation: Ablation = Ablation.COUNTERFACTUAL,
    controls: int = 5,
    seed: int = 0,
) -> ScoreResult:
    """(m(C) − m(∅)) / (m(M) − m(∅)): 1 where the circuit does what the model does.

    `control` is the mean of random circuits of the same number of edges.
    """
    name = "faithfulness" if ablation is Ablation.COUNTERFACTUAL else f"faithfulness, {ablation} ablation"
    try:
        runs = run_all(parts, task, [circuit, *random_circuits(circuit, controls, seed=seed)], ablation, seed=seed)
    except InputError as error:
        return Unscored(name=name, reason=str(error))
    if fault := runs.fault():
        return Unscored(name=name, reason=fault)
    shares = runs.shares()
    also = {
        "metric of the circuit": float(runs.circuits[0].mean()),
        "metric of the model": float(runs.whole.mean()),
        "metric of nothing": float(runs.nothing.mean()),
    }
    ci = interval(lambda pairs: float(runs.shares(pairs)[0]), len(task), seed=seed)
    if not all(map(math.isfinite, ci)):
        return Unscored(name=name, reason=f"{len(task)} pairs are too few for an interval: give more")
    control = {"random circuits": float(shares[1:].mean())} if controls else {}
    return Score(name=name, value=float(shares[0]), ci=ci, n=len(task), control=control, also=also)


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Faithfulness of the best edges by share of all edges; `random` that of random rankings of the same sizes."""

    shares: tuple[float, ...]
    edges: tuple[int, ...]
    runs: Runs
    random: Runs

    def values(self, pairs: Tensor | None = None) -> Tensor:
        """By share."""
        return self.runs.shares(pairs)

    def control(self) -> Tensor:
        """Of random circuits by share, in the mean of those drawn."""
        return self.random.shares().reshape(-1, len(self.shares)).mean(0)


def curve_of(
    parts: Parts,
    task: Task,
    scores: Tensor,
    *,
    shares: Sequence[float] = SHARES,
    ablation: Ablation = Ablation.COUNTERFACTUAL,
    controls: int = 2,
    seed: int = 0,
) -> Curve:
    """Faithfulness at each share of the edges, the largest scores [targets, sources] first; random rankings beside it.

    Raises InputError for a metric that does not tell the model from nothing: then no point of the curve means anything.
    """
    counts = tuple(max(1, round(share * parts.graph.size)) for share in shares)
    generator = torch.Generator().manual_seed(seed)
    own = [top_edges(parts.graph, scores, count) for count in counts]
    others = [torch.rand(scores.shape, generator=generator) for _ in range(controls)]
    drawn = [top_edges(parts.graph, other, count) for other in others for count in counts]
    runs = run_all(parts, task, [*own, *drawn], ablation, seed=seed)
    if fault := runs.fault():
        raise InputError(fault)
    split = len(own)
    return Curve(
        tuple(shares),
        counts,
        Runs(runs.whole, runs.nothing, runs.circuits[:split]),
        Runs(runs.whole, runs.nothing, runs.circuits[split:]),
    )


def area(shares: Sequence[float], values: Tensor, *, distance: bool, logarithmic: bool) -> float:
    """Trapezoid of f, or of |1 − f|, over the shares of the edges; on a log axis with f cut to [0, 1], per unit of the axis."""
    x = torch.tensor(shares, dtype=torch.float64)
    f = values.double()
    if logarithmic:
        x, f = x.log10(), f.clamp(0, 1)
        x = x / (x[-1] - x[0])
    return float(torch.trapezoid((1 - f).abs() if distance else f, x))


def curve_scores(curve: Curve, *, seed: int = 0) -> list[ScoreResult]:
    """CPR (∫ f) and CMD (∫ |1 − f|) over linear k (Mueller et al., 2025), and both over log k with f cut to [0, 1].

    Over log k every size of circuit counts alike; over linear k those above a fifth of the edges are most of the integral.
    """
    found: list[ScoreResult] = []
    for distance, logarithmic in ((False, False), (True, False), (False, True), (True, True)):
        name = ("CMD" if distance else "CPR") + (" over log k" if logarithmic else "")

        def measure(pairs: Tensor, distance: bool = distance, logarithmic: bool = logarithmic) -> float:
            return area(curve.shares, curve.values(pairs), distance=distance, logarithmic=logarithmic)

        count = len(curve.runs.whole)
        value = measure(torch.arange(count))
        control = area(curve.shares, curve.control(), distance=distance, logarithmic=logarithmic)
        ci = interval(measure, count, seed=seed)
        if not all(map(math.isfinite, (value, *ci))):
            found.append(Unscored(name=name, reason="the metric's range is nothing on some resamples: give more pairs"))
            continue
        found.append(Score(name=name, value=value, ci=ci, n=count, control={"random rankings": control}))
    return found
