"""One circuit: from a task to a graded record."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autointerp._version import __version__
from autointerp.agents import Limits, Listener, unheard
from autointerp.circuits import (
    Ablation,
    Circuit,
    Curve,
    EdgeScores,
    Metric,
    Parts,
    Role,
    Task,
    completeness,
    curve_of,
    curve_scores,
    faithfulness,
    generator_named,
    integrated_edge_attribution,
    metric_named,
    minimality,
    node_patching,
    read_task,
    rechecked,
    stability,
    top_edges,
)
from autointerp.errors import InputError
from autointerp.models import Subject, Usage
from autointerp.records import (
    CircuitEdge,
    CircuitNode,
    CircuitRecord,
    ComponentRole,
    Cost,
    CurvePoint,
    ScoreResult,
    Unscored,
)
from autointerp.study._circuit_agent import explain_circuit
from autointerp.study._progress import Progress, silent

if TYPE_CHECKING:
    from autointerp.llm import LLMs

#: A circuit has the fewest edges that are this faithful on the pairs it was found on.
WANTED = 0.85
_SHARES = (0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class CircuitQuestion:
    """What is asked: a kind of task or a file of pairs, a metric, how many pairs, how many edges (None: as few as serve).

    `rounds` is how often the roles of components are revised at the most.
    """

    task: str = "induction"
    metric: str = "logit_difference"
    pairs: int = 20
    edges: int | None = None
    recheck: int = 100
    seed: int = 0
    rounds: int = 2


@dataclass(frozen=True, slots=True)
class Inputs:
    """The pairs of a study, to find the circuit on, to experiment on and to grade on, and what they ask in words."""

    found_on: Task
    trials: Task
    held_out: Task
    asks: str


def study_circuit(
    model: str,
    question: CircuitQuestion,
    *,
    device: str = "auto",
    llms: LLMs | None = None,
    limits: Limits | None = None,
    tell: Listener = unheard,
    progress: Progress = silent,
) -> CircuitRecord:
    """Find a circuit on some of the pairs, explain it by experiments on others, and grade all of it on a third part.

    Parameters
    ----------
    llms: the language model in the role `scientist`, closed at the end; without it known mechanisms and programs are tried.
    limits: what the explanation may use at the most; out of budget, what was found until then is handed in.
    tell: hears of hypotheses, outcomes and verdicts as they come.

    Raises InputError for a model, a task, a metric or pairs that cannot be used, LLMError for a language model that cannot.
    """
    metric = _known(question)
    began = time.monotonic()
    progress("loading the model", None, None)
    subject = Subject.load(model, device=device)
    before = Usage(subject.usage.forward_passes, subject.usage.tokens)
    parts = Parts(subject)
    given = inputs_of(subject, question)
    scores, circuit, effects = _found(parts, given.found_on, question, progress)
    names = {parts.graph.sources[n].name: effects[n] for n in circuit.nodes()}
    explained = explain_circuit(
        parts, given, names, question, llms=llms, limits=limits or Limits(), tell=tell, progress=progress
    )
    progress("grading on held-out pairs", None, None)
    graded, curve = _graded(parts, given.held_out, circuit, scores, question.seed)
    return CircuitRecord(
        model=subject.name,
        fingerprint=subject.fingerprint,
        task=given.found_on.name,
        asks=given.asks,
        metric=metric.name,
        method=scores.method,
        example=_example(subject, given.held_out),
        pairs=len(given.found_on),
        held_out=len(given.held_out),
        all_edges=parts.graph.size,
        nodes=tuple(_node(parts, number, effects[number]) for number in circuit.nodes()),
        edges=_edges(circuit, scores),
        roles=explained.roles,
        curve=curve,
        causal=explained.causal,
        scores=(*graded, explained.grade),
        cost=_cost(subject.usage, before, time.monotonic() - began, explained.ledger.spent.dollars),
        version=__version__,
        seed=question.seed,
        findings=explained.findings,
        groups=explained.groups,
        conclusion=explained.conclusion,
        ledger=explained.ledger,
    )


def _known(question: CircuitQuestion) -> Metric:
    """The metric, once it and the task are known to be there: before a model is loaded. Raises InputError."""
    if not question.task.endswith(".jsonl"):
        generator_named(question.task)
    return metric_named(question.metric)


def _cost(usage: Usage, before: Usage, seconds: float, dollars: float) -> Cost:
    """What was used since `before`."""
    passes, tokens = usage.forward_passes - before.forward_passes, usage.tokens - before.tokens
    return Cost(seconds=seconds, forward_passes=passes, tokens=tokens, dollars=dollars)


def inputs_of(subject: Subject, question: CircuitQuestion) -> Inputs:
    """The pairs, divided. Of a file one half is held out, and of the other the second half serves for experiments too.

    So does that half where the model's tokenizer gives too few pairs for three parts. Raises InputError.
    """
    metric = metric_named(question.metric)
    if question.task.endswith(".jsonl"):
        path = Path(question.task)
        return _in_two(read_task(subject, path, metric), f"the pairs of {path.name}")
    kind, count = generator_named(question.task), question.pairs
    try:
        whole = kind.make(subject, 3 * count, seed=question.seed, metric=metric)
    except InputError:
        return _in_two(kind.make(subject, 2 * count, seed=question.seed, metric=metric), kind.asks)
    found_on, held_out, trials = (
        Task(whole.name, whole.pairs[start : start + count], metric) for start in (0, count, 2 * count)
    )
    return Inputs(found_on, trials, held_out, kind.asks)


def _in_two(whole: Task, asks: str) -> Inputs:
    found_on, held_out = whole.halves()
    return Inputs(found_on, found_on.halves()[1] if len(found_on) > 1 else found_on, held_out, asks)


def _found(
    parts: Parts, task: Task, question: CircuitQuestion, progress: Progress
) -> tuple[EdgeScores, Circuit, list[float]]:
    """The scores of all edges, the circuit of the best, and the effect of patching each node."""
    progress("attributing to edges", None, None)
    scores = integrated_edge_attribution(parts, task)
    progress("trying the best edges", None, None)
    scores = rechecked(parts, task, scores, question.recheck)
    return scores, _cut(parts, task, scores, question.edges), node_patching(parts, task).mean(0).tolist()


def _cut(parts: Parts, task: Task, scores: EdgeScores, edges: int | None) -> Circuit:
    """As many of the best edges as asked for, or as few as are faithful enough; without dead ends."""
    if edges is None:
        curve = curve_of(parts, task, scores.mean, shares=_SHARES, controls=0)
        values = curve.values().tolist()
        edges = next((n for n, f in zip(curve.edges, values, strict=True) if f >= WANTED), curve.edges[-1])
    circuit = top_edges(parts.graph, scores.mean, edges).pruned()
    if not len(circuit):
        raise InputError(f"the {edges} best edges make no path from the embedding to the logits: ask for more edges")
    return circuit


def _graded(
    parts: Parts, task: Task, circuit: Circuit, scores: EdgeScores, seed: int
) -> tuple[list[ScoreResult], tuple[CurvePoint, ...]]:
    found = [faithfulness(parts, task, circuit, ablation=kind, controls=2, seed=seed) for kind in Ablation]
    found += [
        completeness(parts, task, circuit, seed=seed),
        minimality(parts, task, circuit, count=0, seed=seed),
        stability(scores, parts, len(circuit), seed=seed),
    ]
    try:
        curve = curve_of(parts, task, scores.mean, controls=1, seed=seed)
    except InputError as error:
        return [*found, Unscored(name="CPR", reason=str(error)), Unscored(name="CMD", reason=str(error))], ()
    return [*found, *curve_scores(curve, seed=seed)], _points(curve)


def _points(curve: Curve) -> tuple[CurvePoint, ...]:
    rows = zip(curve.shares, curve.edges, curve.values().tolist(), curve.control().tolist(), strict=True)
    return tuple(CurvePoint(share=s, edges=n, faithfulness=f, control=c) for s, n, f, c in rows)


def _edges(circuit: Circuit, scores: EdgeScores) -> tuple[CircuitEdge, ...]:
    targets, sources = circuit.graph.target_numbers, circuit.graph.source_numbers
    return tuple(
        CircuitEdge(source=a, target=b, score=float(scores.mean[targets[b], sources[a]])) for a, b in circuit.names()
    )


def _node(parts: Parts, number: int, effect: float) -> CircuitNode:
    source = parts.graph.sources[number]
    return CircuitNode(name=source.name, layer=source.layer, kind=source.kind, effect=effect)


def role_record(role: Role) -> ComponentRole:
    """A role as it is written down."""
    return ComponentRole(
        component=role.head,
        mechanism=role.mechanism,
        signature=role.signature,
        usual=role.usual,
        held=role.held,
        effect=role.effect,
        copying=role.copying,
        stands=role.stands,
    )


def _example(subject: Subject, task: Task) -> tuple[str, str, str, str]:
    """The first pair as text: clean, corrupted, right, wrong."""
    pair, strings = task.pairs[0], subject.strings
    clean, corrupted = ("".join(strings[i] for i in ids[1:]) for ids in (pair.clean, pair.corrupted))
    return clean, corrupted, strings[pair.right[0]], strings[pair.wrong[0]]
