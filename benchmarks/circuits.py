"""Circuits: how well known edges are found, and what finding and patching cost.

Ground truth are programs compiled into transformers. An edge is true where the program's own tables say that its target
depends on its source and that the source depends on the text; edges that carry the same in every text cannot be seen by
exchanging texts. The causal model of a program has all of its variables; they are mapped by fitting, with every head and MLP
as candidate, and graded on other pairs. Level 0 is compiled, 1 in other coordinates with noise, 2 trained to the program.
Costs are ratios of times in the same run.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from autointerp.circuits import (
    TASKS,
    CausalModel,
    Circuit,
    Graph,
    Pair,
    Parts,
    Task,
    edge_attribution,
    edge_scores,
    fitted,
    iia,
    integrated_edge_attribution,
    node_patching,
    rechecked,
    untrained_twin,
)
from autointerp.circuits import Variable as Mapped
from autointerp.eval.organisms import CircuitOrganism, make_organism
from autointerp.eval.organisms.rasp import Attend, Given, Lookup, Variable
from autointerp.eval.tasks._sources import functions_of
from autointerp.models import At, Objective, Subject
from autointerp.records import Score, SiteKind
from autointerp.testing import tiny_model
from benchmarks._rows import Row, parser, publish

PROGRAMS = ("induction", "sort", "previous", "bracket-depth", "seen-before", "balanced", "reverse", "opener")
QUICK = ("previous", "induction")
PAIRS = 32
#: A model of as many heads as GPT-2 has, and what may be held for it beside the model: four times what chunks are cut to.
_LARGE = {
    "hidden_size": 384,
    "intermediate_size": 1024,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "num_key_value_heads": 12,
    "head_dim": 32,
}
_BOUND = 1024
#: Those whose variables are mapped to components too.
EXPLAINED = ("induction", "sort", "previous", "two-back", "reverse", "once-each", "bracket-depth")
#: Of the networks that were trained to their programs, which takes a minute or two each.
TRAINED = ("previous", "seen-before", "same-as-previous")


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser(__doc__).parse_args(arguments)
    found = {0: QUICK} if options.quick else {0: PROGRAMS, 1: PROGRAMS, 2: TRAINED}
    told = {0: ("previous",)} if options.quick else {0: EXPLAINED, 1: EXPLAINED, 2: TRAINED}
    rows = [row for level, names in found.items() for row in found_edges(names, level, options.seed)]
    rows += [explained_programs(names, level, options.seed) for level, names in told.items()]
    rows += costs(4 if options.quick else 16, options.seed)
    rows += memories(2, 8, options.seed) if options.quick else memories(16, 64, options.seed)
    publish("circuits", rows, options.json)


def found_edges(names: Sequence[str], level: int, seed: int) -> list[Row]:
    """Edge AUROC over the programs, of the gradients alone and after the re-check."""
    values: dict[str, list[float]] = {"EAP": [], "EAP-IG": [], "EAP-IG and re-check": []}
    for name in names:
        organism = make_organism(f"compiled/{name}", seed=seed, level=level)
        assert isinstance(organism, CircuitOrganism)
        parts = Parts(organism.subject())
        truth, task = known_circuit(organism, parts), task_of(organism, PAIRS, seed)
        integrated = integrated_edge_attribution(parts, task)
        for label, scores in (
            ("EAP", edge_attribution(parts, task)),
            ("EAP-IG", integrated),
            ("EAP-IG and re-check", rechecked(parts, task, integrated, parts.graph.size)),
        ):
            result = edge_scores(scores.mean, truth)[0]
            assert isinstance(result, Score), result
            values[label].append(result.value)
        print(f"level {level} {name}: " + ", ".join(f"{k} {v[-1]:.3f}" for k, v in values.items()), flush=True)
    return [
        Row(
            f"level {level}: mean edge AUROC of {label}, {len(found)} programs",
            sum(found) / len(found),
            "share",
            baseline=0.5,
            target=">= 0.95" if label.endswith("re-check") else None,
        )
        for label, found in values.items()
    ]


def explained_programs(names: Sequence[str], level: int, seed: int) -> Row:
    """Mean IIA of the causal models; beside it that of their maps fitted to untrained twins."""
    values, controls = [], []
    for name in names:
        value, control = explained(name, level, seed)
        print(f"level {level} {name}: IIA {value:.3f}, untrained twin {control:.3f}", flush=True)
        values.append(value)
        controls.append(control)
    what = f"level {level}: mean IIA of the causal model, {len(names)} programs"
    return Row(what, sum(values) / len(values), "share", baseline=sum(controls) / len(controls), target=">= 0.95")


def explained(name: str, level: int, seed: int) -> tuple[float, float]:
    """IIA of a causal model on pairs that it was not fitted on, and of the same fitted to the untrained twin."""
    organism = make_organism(f"compiled/{name}", seed=seed, level=level)
    assert isinstance(organism, CircuitOrganism)
    found_on, held_out = task_of(organism, 2 * PAIRS, seed).halves()
    parts = Parts(organism.subject())
    twin = Parts(untrained_twin(parts.subject, seed=seed))

    model = organism.truth().model
    program = CausalModel(
        functions_of(model, parts.subject.strings),
        tuple(
            Mapped(f"v{number}", ())
            for number, variable in enumerate(model.variables)
            if not isinstance(variable, Given)
        ),
    )

    def fit(network: Parts) -> CausalModel:
        components = [one.name for one in network.graph.sources if one.name != "input"]
        return fitted(network, program, found_on, {variable.name: components for variable in program.variables})

    result = iia(parts, fit(parts), held_out, controls={"untrained twin": (twin, fit(twin))}, seed=seed)
    assert isinstance(result, Score), result
    return result.value, result.control["untrained twin"]


def known_circuit(organism: CircuitOrganism, parts: Parts) -> Circuit:
    """The true edges, as far as they depend on the text."""
    truth, graph = organism.truth(), parts.graph
    components = {node.name: node.component for node in truth.nodes}

    def names(variable: str) -> list[str]:
        component = components[variable]
        if component.site.kind is SiteKind.EMBED:
            return ["input"]
        layer = component.site.layer
        if component.site.kind is not SiteKind.HEAD_OUT:
            return [f"m{layer}"]
        size = parts.layers[layer].q.weight.shape[1]
        return [f"a{layer}.h{head}" for head in sorted({i // size for i in component.coordinates})]

    told, edges = set[str](), set[tuple[str, str]]()
    for variable in truth.model.variables:
        if isinstance(variable, Given):
            if variable.origin == "tokens":
                told.add(variable.name)
            continue
        for parent, role in live_parents(variable):
            if parent in told:
                told.add(variable.name)
                suffix = "" if role == "input" else f"<{role[0]}>"
                edges |= {(s, f"{t}{suffix}") for s in names(parent) for t in names(variable.name)}
    edges |= {(source, "logits") for source in names(truth.model.output)}
    return _named(graph, edges)


def live_parents(variable: Variable) -> list[tuple[str, str]]:
    """The parents on which a variable depends at all, by its tables."""
    if isinstance(variable, Lookup):
        table = torch.tensor(variable.table)
        depends = [bool((table != table[:1]).any()), bool((table != table[:, :1]).any())]
        return [(source, "input") for source, live in zip(variable.sources, depends, strict=False) if live]
    if not isinstance(variable, Attend):
        return list(variable.parents)
    found = [] if variable.source is None else [(variable.source, "value")]
    for clause in variable.clauses:
        table = torch.tensor(clause.table)
        if bool((table != table[:1]).any()):
            found.append((clause.queries, "query"))
        if bool((table != table[:, :1]).any()):
            found.append((clause.keys, "key"))
    return found


def _named(graph: Graph, edges: set[tuple[str, str]]) -> Circuit:
    return Circuit.named(graph, sorted(edges))


def task_of(organism: CircuitOrganism, count: int, seed: int) -> Task:
    """Inputs and the same with some tokens exchanged, where the last answer is then another."""
    truth, subject, source = organism.truth(), organism.subject(), random.Random(seed)
    model, ids = truth.model, {text: number for number, text in enumerate(organism.strings)}
    texts = [t for t in organism.sample(60 * count, seed=seed) if len(t.split()) >= max(2, model.length - 1)]
    pairs: list[Pair] = []
    for _ in range(10_000):
        words = source.choice(texts).split()
        changed = list(words)
        for place in source.sample(range(len(words)), source.choice((1, 1, 2, len(words)))):
            changed[place] = str(source.choice(model.vocabulary))
        answers = [str(truth.values(" ".join(row))[model.output][-1]) for row in (words, changed)]
        if answers[0] == answers[1] or not set(answers) <= ids.keys():
            continue
        clean, other = ((subject.bos, *(ids[word] for word in row)) for row in (words, changed))
        pairs.append(Pair(clean, other, (ids[answers[0]],), (ids[answers[1]],)))
        if len(pairs) == count:
            break
    return Task(organism.name, tuple(pairs))


def costs(pairs: int, seed: int) -> list[Row]:
    """Times on the bundled model."""
    subject = Subject.load("pystdlib", device="cpu")
    parts, task = Parts(subject), TASKS["induction"].make(subject, pairs, seed=seed)
    ids = torch.tensor([pair.clean for pair in task.pairs])
    weights = torch.zeros(len(ids), 1, parts.logits(ids).shape[1])
    weights[:, 0, 3] = 1
    sites = [site for site in subject.sites() if site.kind is SiteKind.RESID_PRE]

    def passes() -> None:
        for _ in range(5):
            subject.run(ids, capture=sites, grad_of=Objective(weights, positions=At((-1,))))

    def singly() -> None:
        for number in range(len(parts.graph.sources)):
            for pair in task.pairs:
                node_patching(parts, Task("one", (pair,)), [number])

    attribution = ratio(lambda: integrated_edge_attribution(parts, task), passes, 7)
    patching = ratio(singly, lambda: node_patching(parts, task), 1)
    return [
        Row("EAP-IG m=5 over five forward-backward passes", attribution, "ratio", target="<= 1.5"),
        Row("one patch at a time over all nodes together", patching, "ratio", target=">= 10"),
    ]


def memories(few: int, many: int, seed: int) -> list[Row]:
    """What EAP-IG takes beyond the model itself, on a random model of 12 layers with 12 heads each, in MiB."""
    source, size = random.Random(seed), 32
    with tempfile.TemporaryDirectory() as folder:
        place = tiny_model(Path(folder), seed=seed)
        config = LlamaConfig.from_pretrained(place)
        config.update(_LARGE)
        LlamaForCausalLM(config).save_pretrained(place)
        parts = Parts(Subject.load(str(place), device="cpu"))
        rows = []
        for count in (few, many):
            drawn = [tuple(source.randrange(1, 300) for _ in range(size)) for _ in range(2 * count)]
            pairs = tuple(Pair(a, b, (1,), (2,)) for a, b in zip(drawn[::2], drawn[1::2], strict=True))
            taken = peak(partial(integrated_edge_attribution, parts, Task("drawn", pairs)))
            rows.append(
                Row(f"memory of EAP-IG, 12 layers of 12 heads, {count} prompts", taken, "MiB", target=f"<= {_BOUND}")
            )
    return rows


def peak(function: Callable[[], object]) -> float:
    """MiB of resident memory that a call takes at most beyond what is held before it; on Linux alone."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = _resident("VmRSS")
    function()
    return (_resident("VmHWM") - before) / 1024


def _resident(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])


def ratio(function: Callable[[], object], floor: Callable[[], object], repeats: int) -> float:
    """Time of one by that of the other: the fastest of some calls each, in turn, so that a slow minute meets both."""
    best = [float("inf"), float("inf")]
    for _ in range(repeats):
        for number, each in enumerate((function, floor)):
            start = time.perf_counter()
            each()
            best[number] = min(best[number], time.perf_counter() - start)
    return best[0] / best[1]


if __name__ == "__main__":
    main()
