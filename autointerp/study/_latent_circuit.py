"""One circuit of latents or neurons: from a task to a graded record."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor

from autointerp._version import __version__
from autointerp.circuits import (
    Ablation,
    LatentNode,
    LatentParts,
    Task,
    generator_named,
    integrated_latent_attribution,
    latent_attribution,
    latent_edges,
    latent_faithfulness,
    latent_patching,
    mean_interval,
    metric_named,
    metric_range,
    read_task,
    unexplained_variance,
)
from autointerp.dictionaries import Dictionary, open_dictionary
from autointerp.errors import InputError
from autointerp.models import Subject, Usage
from autointerp.records import (
    Cost,
    CutSite,
    LatentCircuitRecord,
    LatentEffect,
    LatentLink,
    ScoreResult,
    SiteKind,
)
from autointerp.study._progress import Progress, silent

BUNDLED = "pystdlib-sae"
#: Points of integrated gradients; what comes first is tried exactly anyway.
_STEPS = 5
#: Random sets of latents of every size that is graded.
_CONTROLS = 3


@dataclass(frozen=True, slots=True)
class LatentQuestion:
    """What is asked: latents of which dictionaries, or all neurons; `top` of them; and the task as for any circuit.

    A dictionary `neurons:mlp.N` stands for the neurons of a layer, each with its sign.
    """

    task: str = "induction"
    nodes: Literal["features", "neurons"] = "features"
    dictionaries: tuple[str, ...] = ()
    metric: str = "logit_difference"
    pairs: int = 20
    top: int = 20
    seed: int = 0


def study_latent_circuit(
    model: str, question: LatentQuestion, *, device: str = "auto", progress: Progress = silent
) -> LatentCircuitRecord:
    """Find the nodes that matter most on one half of the pairs, try each exactly, and grade them on the other half.

    Nodes are ranked by integrated gradients, tried, and listed by what patching shows. Raises InputError for a model, a
    dictionary, a task or pairs that cannot be used, and for a metric that is the same on both prompts.
    """
    metric_named(question.metric)
    if not question.task.endswith(".jsonl"):
        generator_named(question.task)
    if question.nodes == "neurons" and question.dictionaries:
        raise InputError("neurons need no dictionary: leave --dictionary out, or ask for --nodes features")
    began = time.monotonic()
    progress("loading the model", None, None)
    subject = Subject.load(model, device=device)
    before = Usage(subject.usage.forward_passes, subject.usage.tokens)
    parts = _parts(subject, question)
    whole, asks = _task(subject, question)
    if fault := metric_range(parts, whole):
        raise InputError(fault)
    found_on, held_out = whole.halves()
    nodes, effects, sites = _found(parts, found_on, question, progress)
    progress("following edges", None, None)
    edges = latent_edges(parts, found_on, nodes, sources=nodes, seed=question.seed)
    progress("grading on held-out pairs", None, None)
    scores = _graded(parts, held_out, nodes, question.seed)
    usage = subject.usage
    return LatentCircuitRecord(
        model=subject.name,
        fingerprint=subject.fingerprint,
        task=whole.name,
        asks=asks,
        metric=question.metric,
        example=_example(subject, held_out),
        pairs=len(found_on),
        held_out=len(held_out),
        sites=sites,
        nodes=effects,
        links=tuple(
            LatentLink(source=e.source.name, target=None if e.target is None else e.target.name, effect=e.effect)
            for e in edges
        ),
        scores=scores,
        cost=Cost(
            seconds=time.monotonic() - began,
            forward_passes=usage.forward_passes - before.forward_passes,
            tokens=usage.tokens - before.tokens,
        ),
        version=__version__,
        seed=question.seed,
    )


def _parts(subject: Subject, question: LatentQuestion) -> LatentParts:
    if question.nodes == "neurons":
        return LatentParts(subject, neurons=range(subject.layers))
    dictionaries: list[Dictionary] = []
    neurons: list[int] = []
    for name in question.dictionaries or (BUNDLED,):
        opened = open_dictionary(name, subject)
        if name.startswith("neurons:") and opened.input_site.kind is SiteKind.MLP_HIDDEN:
            neurons.append(opened.input_site.layer)
        else:
            dictionaries.append(opened)
    return LatentParts(subject, dictionaries, neurons=neurons)


def _task(subject: Subject, question: LatentQuestion) -> tuple[Task, str]:
    """The pairs, half to find the nodes on and half to grade them on, and what they ask in words."""
    metric = metric_named(question.metric)
    if question.task.endswith(".jsonl"):
        path = Path(question.task)
        return read_task(subject, path, metric), f"the pairs of {path.name}"
    kind = generator_named(question.task)
    return kind.make(subject, 2 * question.pairs, seed=question.seed, metric=metric), kind.asks


def _found(
    parts: LatentParts, task: Task, question: LatentQuestion, progress: Progress
) -> tuple[list[LatentNode], tuple[LatentEffect, ...], tuple[CutSite, ...]]:
    """The nodes, the largest exact effect first; the same with their effects; and the sites."""
    progress("attributing to latents", None, None)
    integrated = integrated_latent_attribution(parts, task, steps=_STEPS, seed=question.seed)
    rests = [site.writes for site in parts.sites if site.has_rest]
    nodes = integrated.top(question.top, errors=False) + [LatentNode(one.layer, one.kind, None) for one in rests]
    estimate = latent_attribution(parts, task, seed=question.seed)
    progress("trying the best nodes", None, None)
    exact = latent_patching(parts, task, nodes, seed=question.seed)
    zero = latent_patching(parts, task, nodes, ablation=Ablation.ZERO, seed=question.seed)
    order = exact.mean(0).abs().argsort(descending=True, stable=True).tolist()
    rows = zip(nodes, estimate.of(nodes), integrated.of(nodes), exact.T, zero.mean(0), strict=True)
    effects = [_effect(*row, seed=question.seed) for row in rows]
    sites = tuple(
        CutSite(
            name=site.name,
            reads=site.reads,
            writes=site.writes,
            latents=site.size,
            differing=len(keys),
            unexplained=share,
        )
        for site, keys, share in zip(parts.sites, estimate.keys, unexplained_variance(parts, task), strict=True)
    )
    return [nodes[i] for i in order], tuple(effects[i] for i in order), sites


def _effect(
    node: LatentNode, estimate: Tensor, integrated: Tensor, exact: Tensor, zero: Tensor, *, seed: int
) -> LatentEffect:
    return LatentEffect(
        name=node.name,
        site=node.site,
        feature=node.feature,
        attribution=float(estimate),
        integrated=float(integrated),
        exact=float(exact.mean()),
        ci=mean_interval(exact, seed=seed),
        zero=float(zero),
    )


def _graded(parts: LatentParts, task: Task, nodes: Sequence[LatentNode], seed: int) -> tuple[ScoreResult, ...]:
    """The latents under three ablations with the errors of dictionaries kept, and by themselves with all errors ablated too."""
    latents = [node for node in nodes if node.feature is not None]
    kinds = (Ablation.COUNTERFACTUAL, Ablation.MEAN, Ablation.ZERO)
    found = [latent_faithfulness(parts, task, latents, ablation=kind, controls=_CONTROLS, seed=seed) for kind in kinds]
    if any(site.has_rest for site in parts.sites):
        found.append(latent_faithfulness(parts, task, latents, errors=False, controls=_CONTROLS, seed=seed))
    return tuple(found)


def _example(subject: Subject, task: Task) -> tuple[str, str, str, str]:
    """The first pair as text: clean, corrupted, right, wrong."""
    pair, strings = task.pairs[0], subject.strings
    clean, corrupted = ("".join(strings[i] for i in ids[1:]) for ids in (pair.clean, pair.corrupted))
    return clean, corrupted, strings[pair.right[0]], strings[pair.wrong[0]]
