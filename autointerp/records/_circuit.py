"""One circuit: its edges, what its components are, the program that explains it, and how all of these were graded."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from autointerp.records._base import Frozen
from autointerp.records._circuit_ledger import (
    CausalProgram,
    CircuitConclusion,
    CircuitLedger,
    ComponentFinding,
    ComponentGroup,
)
from autointerp.records._run import Cost
from autointerp.records._score import ScoreResult


class CircuitEdge(Frozen):
    """From what writes to what reads; `score` is the change of the metric when the edge is cut."""

    source: str
    target: str
    score: float


class CircuitNode(Frozen):
    """A component; `effect` is the change of the metric when it writes what it writes on the corrupted prompts."""

    name: str
    layer: int
    kind: str
    effect: float


class ComponentRole(Frozen):
    """What a head is, with the evidence: attention by signature, and which share of an even pattern's effect is undone."""

    component: str
    mechanism: str
    signature: float
    usual: float
    held: float | None
    effect: float
    copying: float
    stands: bool | None


class CurvePoint(Frozen):
    """Faithfulness with a share of all edges, and that of random edges."""

    share: float
    edges: int
    faithfulness: float
    control: float


class CircuitRecord(Frozen):
    """Everything one study of a circuit produced, as versioned JSON.

    `roles` are the heads whose attention showed a kind, with what they did under test; `findings` say what came of every
    component, with the ledger as evidence.
    """

    format: Literal[1] = 1
    kind: Literal["circuit"] = "circuit"
    model: str
    fingerprint: str
    task: str
    asks: str
    metric: str
    method: str
    example: tuple[str, str, str, str]
    pairs: int = Field(ge=1)
    held_out: int = Field(ge=1)
    all_edges: int = Field(ge=1)
    nodes: tuple[CircuitNode, ...]
    edges: tuple[CircuitEdge, ...]
    roles: tuple[ComponentRole, ...]
    curve: tuple[CurvePoint, ...]
    causal: CausalProgram | None
    scores: tuple[ScoreResult, ...]
    cost: Cost
    version: str
    seed: int
    findings: tuple[ComponentFinding, ...] = ()
    groups: tuple[ComponentGroup, ...] = ()
    conclusion: CircuitConclusion | None = None
    ledger: CircuitLedger | None = None


class RoleMatch(Frozen):
    """A mechanism of the circuit in its own model, and the heads of another model that show it, the clearest first."""

    mechanism: str
    components: tuple[str, ...]
    found: tuple[ComponentRole, ...]


class CircuitTransfer(Frozen):
    """Whether the mechanism of a circuit is there in another model.

    Attributes
    ----------
    answers, usual_answers: the share of held-out pairs on which the other model answers right, and its untrained twin.
    own: the grade of the causal model in the model that it is from.
    iia: that in the other model, with the map fitted anew.
    there: None where nothing could be graded.
    """

    format: Literal[1] = 1
    kind: Literal["circuit transfer"] = "circuit transfer"
    origin: str
    origin_fingerprint: str
    model: str
    fingerprint: str
    task: str
    pairs: int = Field(ge=1)
    held_out: int = Field(ge=1)
    answers: float
    usual_answers: float
    matches: tuple[RoleMatch, ...]
    causal: CausalProgram | None
    own: ScoreResult | None
    iia: ScoreResult
    there: bool | None
    verdict: str
    cost: Cost
    version: str
    seed: int
