"""Circuits as attribution graphs in the schema of circuit-tracer (Hanna et al., 2025), so that its viewer draws them.

The viewer draws nodes by layer and token. A head or an MLP is drawn at the token of the example at which what it writes
matters most, by attribution; edges are those of the circuit with their scores, heads' queries, keys and values together.
The schema's features are latents of transcoders: components go under the same type, heads before MLPs in the numbering of
their layer, and carry their names as labels.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch
from torch import Tensor

from autointerp.circuits._anatomised import Parts
from autointerp.circuits._attribution import node_attribution_by_token
from autointerp.circuits._graph import LOGITS, Circuit, Source
from autointerp.circuits._pairs import Pair, prompts_of
from autointerp.circuits._task import Task
from autointerp.errors import InputError

_COMPONENT = "cross layer transcoder"


def attribution_graph(
    parts: Parts, circuit: Circuit, scores: Tensor, task: Task, *, pair: int = 0, slug: str | None = None
) -> dict[str, Any]:
    """The graph of a circuit on one pair, as plain data; `scores` [targets, sources], `slug` its name in the viewer.

    Raises InputError for a pair that the task does not have, and for a circuit of another model.
    """
    if circuit.graph != parts.graph:
        raise InputError(
            f"a circuit of the model {circuit.graph.model}, and the model here is {parts.graph.model}: "
            "find it again in this one"
        )
    if not 0 <= pair < len(task):
        raise InputError(f"pair {pair} of the task {task.name}: there are 0 to {len(task) - 1}")
    one = task.pairs[pair]
    single = Task(task.name, (one,), task.metric)
    by_token = node_attribution_by_token(parts, single)[0]
    nodes, ids = [], dict[str, list[str]]()
    total = float(by_token.sum(1).abs().max()) or 1.0
    for number in circuit.nodes():
        source, effects = circuit.graph.sources[number], by_token[number]
        places = one.changed if source.kind == "input" else (int(effects.abs().argmax()),)
        made = [_node(parts, source, one, place, float(effects.sum()) / total) for place in places]
        nodes += made
        ids[source.name] = [node["node_id"] for node in made]
    answers = _answers(parts, one)
    nodes += answers
    ids[LOGITS] = [node["node_id"] for node in answers if node["is_target_logit"]]
    strings = parts.subject.strings
    tokens = [strings[i] for i in one.clean]
    return {
        "metadata": {
            "slug": slug or f"{task.name}-{pair}",
            "scan": parts.subject.name,
            "transcoder_list": [],
            "prompt_tokens": tokens,
            "prompt": "".join(tokens[1:]),
            "node_threshold": None,
            "schema_version": 1,
        },
        "qParams": {"pinnedIds": ids[LOGITS], "supernodes": [], "linkType": "both", "clickedId": "", "sg_pos": ""},
        "nodes": nodes,
        "links": _links(circuit, scores, ids),
    }


def _links(circuit: Circuit, scores: Tensor, ids: dict[str, list[str]]) -> list[dict[str, Any]]:
    """Of every two components the sum of the edges between them; the embedding's is shared by the tokens that were changed.

    A score is the change when an edge is cut, so its opposite is what the edge does for the answer.
    """
    graph, weights = circuit.graph, defaultdict[tuple[str, str], float](float)
    for target, source in torch.argwhere(circuit.edges).tolist():
        readers = [LOGITS] if graph.reader_of(graph.targets[target]) is None else circuit.readers(target)
        for reader in readers:
            if reader in ids:
                weights[graph.sources[source].name, reader] -= float(scores[target, source]) / len(readers)
    return [
        {"source": start, "target": end, "weight": weight / len(ids[source]) / len(ids[target])}
        for (source, target), weight in weights.items()
        for start in ids[source]
        for end in ids[target]
    ]


def _node(parts: Parts, source: Source, pair: Pair, place: int, influence: float) -> dict[str, Any]:
    if source.kind == "input":
        token = pair.clean[place]
        return _filled(f"E_{token}_{place}", "E", token, place, "embedding", parts.subject.strings[token], influence)
    numbers = parts.graph.attention_sources(source.layer)
    number = numbers.stop - numbers.start if source.kind == "mlp" else source.head or 0
    name = f"{source.layer}_{number}_{place}"
    return _filled(name, str(source.layer), number, place, _COMPONENT, source.name, influence)


def _answers(parts: Parts, pair: Pair) -> list[dict[str, Any]]:
    """The right answers and the wrong ones, with the probability that the model gives them."""
    (prompts,) = prompts_of(parts.subject, [pair])
    shares = parts.logits(prompts.clean)[0].float().softmax(0)
    place, layer, found = len(pair.clean) - 1, str(parts.graph.layers + 1), []
    for right, answers in ((True, pair.right), (False, pair.wrong)):
        for token in answers:
            share = float(shares[token])
            label = f'Output "{parts.subject.strings[token]}" (p={share:.3f})'
            node = _filled(f"{layer}_{token}_{place}", layer, token, place, "logit", label, None)
            found.append(node | {"token_prob": share, "is_target_logit": right})
    return found


def _filled(
    name: str, layer: str, feature: int, place: int, kind: str, label: str, influence: float | None
) -> dict[str, Any]:
    return {
        "node_id": name,
        "feature": feature,
        "layer": layer,
        "ctx_idx": place,
        "feature_type": kind,
        "token_prob": 0.0,
        "is_target_logit": False,
        "run_idx": 0,
        "reverse_ctx_idx": 0,
        "jsNodeId": name,
        "clerp": label,
        "influence": influence,
        "activation": None,
    }
