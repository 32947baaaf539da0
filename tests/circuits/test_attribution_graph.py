"""Attribution graphs have the fields of the published schema, and the weights of the circuit."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from pydantic import BaseModel, ConfigDict

from autointerp.circuits import Parts, Task, attribution_graph, edge_attribution, node_attribution, top_edges
from autointerp.circuits._attribution import node_attribution_by_token
from autointerp.errors import InputError


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Metadata(Strict):
    slug: str
    scan: str
    transcoder_list: list[str]
    prompt_tokens: list[str]
    prompt: str
    node_threshold: float | None
    schema_version: int


class Settings(Strict):
    pinnedIds: list[str]  # noqa: N815
    supernodes: list[list[str]]
    linkType: str  # noqa: N815
    clickedId: str  # noqa: N815
    sg_pos: str


class Node(Strict):
    node_id: str
    feature: int
    layer: str
    ctx_idx: int
    feature_type: str
    token_prob: float
    is_target_logit: bool
    run_idx: int
    reverse_ctx_idx: int
    jsNodeId: str  # noqa: N815
    clerp: str
    influence: float | None
    activation: float | None


class Link(Strict):
    source: str
    target: str
    weight: float


class Model(Strict):
    metadata: Metadata
    qParams: Settings  # noqa: N815
    nodes: list[Node]
    links: list[Link]


@pytest.fixture(scope="module")
def made(parts: Parts, task: Task) -> tuple[dict[str, Any], float]:
    scores = edge_attribution(parts, task).mean
    circuit = top_edges(parts.graph, scores, 40).pruned()
    return attribution_graph(parts, circuit, scores, task), float(scores[circuit.edges].sum())


def test_the_schema_is_kept(made: tuple[dict[str, Any], float], task: Task) -> None:
    read = Model.model_validate_json(json.dumps(made[0]))
    names = [node.node_id for node in read.nodes]
    assert len(set(names)) == len(names)
    assert {name for link in read.links for name in (link.source, link.target)} <= set(names)
    assert {node.feature_type for node in read.nodes} == {"embedding", "cross layer transcoder", "logit"}
    assert [node.feature for node in read.nodes if node.is_target_logit] == [10, 11]
    assert all(0 <= node.ctx_idx < len(task.pairs[0].clean) for node in read.nodes)
    assert read.qParams.pinnedIds == [node.node_id for node in read.nodes if node.is_target_logit]


def test_the_weights_add_up_to_what_the_edges_do(made: tuple[dict[str, Any], float]) -> None:
    graph, total = made
    assert sum(link["weight"] for link in graph["links"]) == pytest.approx(-total, rel=1e-4)


def test_attribution_by_token_adds_up(parts: Parts, task: Task) -> None:
    one = Task("one", (task.pairs[1],))
    torch.testing.assert_close(node_attribution_by_token(parts, one).sum(2), node_attribution(parts, one))
    with pytest.raises(InputError, match="several lengths"):
        node_attribution_by_token(parts, task)


def test_a_pair_that_is_not_there(parts: Parts, task: Task) -> None:
    scores = edge_attribution(parts, task).mean
    with pytest.raises(InputError, match="pair 9 of the task made up: there are 0 to 2"):
        attribution_graph(parts, top_edges(parts.graph, scores, 10), scores, task, pair=9)
