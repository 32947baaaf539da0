"""One circuit: from a task to a graded record."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autointerp._version import __version__
from autointerp.circuits import (
    PROGRAMS,
    Ablation,
    CausalModel,
    Circuit,
    Curve,
    EdgeScores,
    Parts,
    Role,
    Task,
    completeness,
    curve_of,
    curve_scores,
    faithfulness,
    fitted,
    generator_named,
    iia,
    integrated_edge_attribution,
    metric_named,
    minimality,
    node_patching,
    read_task,
    rechecked,
    roles,
    stability,
    top_edges,
    untrained_twin,
)
from autointerp.errors import InputError
from autointerp.models import Subject, Usage
from autointerp.records import (
    CausalProgram,
    CircuitEdge,
    CircuitNode,
    CircuitRecord,
    ComponentRole,
    Cost,
    CurvePoint,
    MappedVariable,
    ScoreResult,
    Unscored,
)
from autointerp.study._progress import Progress, silent

#: A circuit has the fewest edges that are this faithful on the pairs it was found on.
WANTED = 0.85
_SHARES = (0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0)
#: Components that are tried for each variable of a causal model.
_CANDIDATES = 10


@dataclass(frozen=True, slots=True)
class CircuitQuestion:
    """What is asked: a kind of task or a file of pairs, a metric, how many pairs, how many edges (None: as few as serve)."""

    task: str = "induction"
    metric: str = "logit_difference"
    pairs: int = 20
    edges: int | None = None
    recheck: int = 100
    seed: int = 0


def study_circuit(
    model: str, question: CircuitQuestion, *, device: str = "auto", progress: Progress = silent
) -> CircuitRecord:
    """Find a circuit on one half of the pairs, explain it, and grade circuit and explanation on the other half.

    Raises InputError for a model, a task, a metric or pairs that cannot be used.
    """
    metric = metric_named(question.metric)
    if not question.task.endswith(".jsonl"):
        generator_named(question.task)
    began = time.monotonic()
    progress("loading the model", None, None)
    subject = Subject.load(model, device=device)
    before = Usage(subject.usage.forward_passes, subject.usage.tokens)
    parts = Parts(subject)
    whole, asks = _task(subject, question)
    found_on, held_out = whole.halves()
    scores, circuit, effects = _found(parts, found_on, question, progress)
    progress("naming the heads", None, None)
    named = _roles(parts, found_on, circuit, question.seed)
    causal, grade = _explained(parts, found_on, held_out, circuit, effects, question, progress)
    progress("grading on held-out pairs", None, None)
    graded, curve = _graded(parts, held_out, circuit, scores, question.seed)
    usage = subject.usage
    return CircuitRecord(
        model=subject.name,
        fingerprint=subject.fingerprint,
        task=whole.name,
        asks=asks,
        metric=metric.name,
        method=scores.method,
        example=_example(subject, held_out),
        pairs=len(found_on),
        held_out=len(held_out),
        all_edges=parts.graph.size,
        nodes=tuple(_node(parts, number, effects[number]) for number in circuit.nodes()),
        edges=_edges(circuit, scores),
        roles=tuple(role_record(one) for one in named),
        curve=curve,
        causal=causal,
        scores=(*graded, grade),
        cost=Cost(
            seconds=time.monotonic() - began,
            forward_passes=usage.forward_passes - before.forward_passes,
            tokens=usage.tokens - before.tokens,
        ),
        version=__version__,
        seed=question.seed,
    )


def _task(subject: Subject, question: CircuitQuestion) -> tuple[Task, str]:
    """The pairs, half to find the circuit on and half to grade it on, and what they ask in words."""
    metric = metric_named(question.metric)
    if question.task.endswith(".jsonl"):
        path = Path(question.task)
        return read_task(subject, path, metric), f"the pairs of {path.name}"
    kind = generator_named(question.task)
    return kind.make(subject, 2 * question.pairs, seed=question.seed, metric=metric), kind.asks


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


def _roles(parts: Parts, task: Task, circuit: Circuit, seed: int) -> list[Role]:
    sources = [parts.graph.sources[number] for number in circuit.nodes()]
    try:
        return roles(parts, task, [one.name for one in sources if one.kind == "head"], seed=seed)
    except InputError:
        # A model without readable patterns has a circuit all the same.
        return []


def _explained(
    parts: Parts,
    found_on: Task,
    held_out: Task,
    circuit: Circuit,
    effects: Sequence[float],
    question: CircuitQuestion,
    progress: Progress,
) -> tuple[CausalProgram | None, ScoreResult]:
    """The program for this kind of task with its map fitted, and its grade beside that of the untrained twin."""
    program = PROGRAMS.get(held_out.name)
    if program is None:
        known = ", ".join(PROGRAMS)
        return None, Unscored(name="IIA", reason=f"no program in the library for {held_out.name}: there are {known}")
    progress("fitting the causal model", None, None)
    own = _fit(parts, program, found_on, circuit, effects)
    twin = Parts(untrained_twin(parts.subject, seed=question.seed))
    its = _fit(twin, program, found_on, Circuit.whole(twin.graph), node_patching(twin, found_on).mean(0).tolist())
    grade = iia(parts, own, held_out, controls={"untrained twin": (twin, its)}, seed=question.seed)
    variables = tuple(MappedVariable(name=v.name, components=v.components, last=v.last) for v in own.variables)
    return CausalProgram(source=own.source, variables=variables), grade


def _fit(parts: Parts, program: CausalModel, task: Task, circuit: Circuit, effects: Sequence[float]) -> CausalModel:
    """Candidates are the components of the circuit with the largest effects; the first MLP only repeats the embedding."""
    nodes = [n for n in circuit.nodes() if parts.graph.sources[n].name not in ("input", "m0")]
    best = sorted(nodes, key=lambda n: -abs(effects[n]))[:_CANDIDATES]
    names = [parts.graph.sources[n].name for n in best]
    return fitted(parts, program, task, {variable.name: names for variable in program.variables})


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
