"""Is anything missing from a circuit, is anything idle in it, and would it be found again?"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from autointerp.circuits._ablation import Ablation
from autointerp.circuits._anatomised import Parts
from autointerp.circuits._attribution import EdgeScores
from autointerp.circuits._faithful import interval, random_circuits, run_all
from autointerp.circuits._graph import Circuit, top_edges
from autointerp.circuits._task import Task
from autointerp.records import Score, ScoreResult, Unscored

#: Of the metric's range: by how much a node has to matter not to be idle.
IDLE = 0.01


def knock_outs(circuit: Circuit, count: int, *, seed: int) -> list[list[int]]:
    """Sets of the circuit's nodes, from single ones to half of them; never the embedding, without which nothing is left."""
    generator = torch.Generator().manual_seed(seed)
    nodes = [n for n in circuit.nodes() if circuit.graph.sources[n].kind != "input"]
    if not nodes:
        return []
    sets = []
    for number in range(count):
        size = max(1, round(len(nodes) / 2 * number / max(1, count - 1)))
        order = torch.randperm(len(nodes), generator=generator)[:size].tolist()
        sets.append(sorted(nodes[i] for i in order))
    return sets


def completeness(
    parts: Parts,
    task: Task,
    circuit: Circuit,
    *,
    ablation: Ablation = Ablation.COUNTERFACTUAL,
    count: int = 8,
    seed: int = 0,
) -> ScoreResult:
    """max over K of |F(C without K) − F(M without K)| (Wang et al., 2022), F in units of the metric's range: 0 is complete.

    The circuit and the model lose the same nodes; where the model does better then, the circuit lacks what took over. K are
    `count` random sets of the circuit's nodes. `control` is the same for a random circuit of its size.
    """
    name = "completeness"
    sets = knock_outs(circuit, count, seed=seed)
    if not sets:
        return Unscored(name=name, reason="the circuit has no node besides the embedding")
    whole, other = Circuit.whole(parts.graph), random_circuits(circuit, 1, seed=seed)[0]
    runs = run_all(parts, task, [one.without(k) for one in (circuit, whole, other) for k in sets], ablation, seed=seed)
    if fault := runs.fault():
        return Unscored(name=name, reason=fault)

    def gaps(pairs: Tensor | None = None) -> Tensor:
        shares = runs.shares(pairs).reshape(3, len(sets))
        return (shares[[0, 2]] - shares[1]).abs().amax(1)

    value = gaps()
    ci = interval(lambda pairs: float(gaps(pairs)[0]), len(task), seed=seed)
    if not all(map(math.isfinite, ci)):
        return Unscored(name=name, reason=f"{len(task)} pairs are too few for an interval: give more")
    also = {"sets knocked out": float(len(sets))}
    return Score(
        name=name, value=float(value[0]), ci=ci, n=len(task), control={"random circuit": float(value[1])}, also=also
    )


def minimality(
    parts: Parts,
    task: Task,
    circuit: Circuit,
    *,
    ablation: Ablation = Ablation.COUNTERFACTUAL,
    count: int = 3,
    seed: int = 0,
) -> ScoreResult:
    """The share of nodes v with a K such that |F(C without K and v) − F(C without K)| > τ (Wang et al., 2022): 1 is minimal.

    K are the empty set and `count` random ones; τ is 0.01 of the metric's range. `control` is the same for a random circuit.
    """
    name = "minimality"
    groups = []
    for one in (circuit, random_circuits(circuit, 1, seed=seed)[0]):
        nodes = [n for n in one.nodes() if one.graph.sources[n].kind != "input"]
        sets = [[], *knock_outs(one, count, seed=seed)]
        groups.append((one, nodes, sets))
    if not groups[0][1]:
        return Unscored(name=name, reason="the circuit has no node besides the embedding")
    circuits = [
        one.without(sorted({*k, *extra}))
        for one, nodes, sets in groups
        for k in sets
        for extra in ([], *([n] for n in nodes))
    ]
    runs = run_all(parts, task, circuits, ablation, seed=seed)
    if fault := runs.fault():
        return Unscored(name=name, reason=fault)

    def needed(pairs: Tensor | None = None) -> list[float]:
        shares, found, start = runs.shares(pairs), [], 0
        for _, nodes, sets in groups:
            table = shares[start : start + len(sets) * (1 + len(nodes))].reshape(len(sets), 1 + len(nodes))
            start += table.numel()
            moved = (table[:, 1:] - table[:, :1]).abs()
            found.append(float((moved.amax(0) > IDLE).float().mean()) if len(nodes) else 0.0)
        return found

    own, control = needed()
    ci = interval(lambda pairs: needed(pairs)[0], len(task), seed=seed)
    also = {"nodes": float(len(groups[0][1]))}
    return Score(name=name, value=own, ci=ci, n=len(task), control={"random circuit": control}, also=also)


def stability(scores: EdgeScores, parts: Parts, count: int, *, resamples: int = 50, seed: int = 0) -> ScoreResult:
    """Mean Jaccard index of the circuit of the `count` best edges and those found on bootstrap resamples of the pairs.

    `control` is what two random circuits of this size have in common.
    """
    own, pairs = top_edges(parts.graph, scores.mean, count).edges, len(scores.by_pair)
    if pairs < 2:
        return Unscored(name="stability", reason="one pair cannot be resampled: give more")
    generator = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(resamples):
        drawn = torch.randint(pairs, (pairs,), generator=generator)
        other = top_edges(parts.graph, scores.by_pair[drawn].mean(0), count).edges
        found.append(float((own & other).sum() / (own | other).sum().clamp(min=1)))
    values = torch.tensor(found, dtype=torch.float64)
    expected = count * count / parts.graph.size
    low, high = float(values.quantile(0.025)), float(values.quantile(0.975))
    mean = float(values.mean())
    control = {"random circuits": expected / max(1.0, 2 * count - expected)}
    return Score(name="stability", value=mean, ci=(min(low, mean), max(high, mean)), n=pairs, control=control)
