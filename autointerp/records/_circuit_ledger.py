"""What the investigation of a circuit wrote down: a notebook like that of a feature, about the roles of components.

Every entry has a time (UTC) and an id; nothing that was written is changed. Who was refuted by what is in the judgements.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field, model_validator

from autointerp.records._base import Frozen
from autointerp.records._explanation import Confidence, Program
from autointerp.records._ledger import (
    Conclusion,
    Judgement,
    Outcome,
    Purpose,
    Registered,
    Remark,
    Ruling,
    Spent,
    predictions_first,
)


class Claim(StrEnum):
    """What a hypothesis about a circuit is about.

    The role of one component; that none of the proposed ones is its role; that several components are one and the same; or
    that a program says what the circuit computes.
    """

    ROLE = "role"
    NULL = "null"
    GROUP = "group"
    PROGRAM = "program"


class MappedVariable(Frozen):
    """A variable of a causal program, and the components that hold it, at the last token alone or everywhere."""

    name: str
    components: tuple[str, ...]
    last: bool


class CausalProgram(Frozen):
    """An executable explanation: source, and the map from variables to components."""

    source: str
    variables: tuple[MappedVariable, ...]


class CircuitTest(StrEnum):
    """The menu of experiments on a circuit.

    signature: the share of attention that goes where the role says, on prompts made for it; for what has no attention, how far
        what it writes follows from the token it stands at, or how high the answer ranks in it.
    copying: how far a head raises the logit of what it reads.
    ablation: the change of the metric when the component writes what it writes on the corrupted prompt.
    replacement: which share of the effect of an even pattern the role's ideal one undoes.
    direct: which share of the effect goes straight to the logits.
    swap: the silhouette of a group by the damage of exchanging its members with each other and with others.
    interchange: the interchange intervention accuracy of a causal program.
    """

    SIGNATURE = "signature"
    COPYING = "copying"
    ABLATION = "ablation"
    REPLACEMENT = "replacement"
    DIRECT = "direct"
    SWAP = "swap"
    INTERCHANGE = "interchange"


class CircuitHypothesis(Frozen):
    """One of several competing answers about the same components.

    `role` is a name of the library, or one that the scientist made up with `program`, which says for every token which earlier
    one is attended to. `causal` is the program of a hypothesis about the whole circuit. `bets` are further tests
    that it is ready to stand, or higher bars than the usual ones.
    """

    id: str
    at: datetime
    round: int = Field(ge=0)
    claim: Claim
    components: tuple[str, ...]
    role: str
    says: str
    program: Program | None = None
    causal: CausalProgram | None = None
    bets: dict[CircuitTest, float] = Field(default_factory=dict)
    confidence: Confidence
    because: str = ""


class CircuitExperiment(Frozen):
    """One test of the menu on some components; `target` is the hypothesis whose role is put to the test."""

    id: str
    at: datetime
    round: int = Field(ge=0)
    test: CircuitTest
    purpose: Purpose
    components: tuple[str, ...]
    target: str
    question: str


class CircuitPrediction(Registered):
    """A prediction about the one number that an experiment measures; `at_most` is what a null hypothesis bets on.

    `above_controls` says that the number has to be larger than that of every control too.
    """

    at_most: float | None = None
    above_controls: bool = False


class CircuitOutcome(Outcome):
    """What was measured: one number, and the same of the controls by name."""

    controls: dict[str, float] = Field(default_factory=dict)


class CircuitLedger(Frozen):
    """The notebook of one circuit."""

    scientist: str
    hypotheses: tuple[CircuitHypothesis, ...] = ()
    experiments: tuple[CircuitExperiment, ...] = ()
    predictions: tuple[CircuitPrediction, ...] = ()
    outcomes: tuple[CircuitOutcome, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    remarks: tuple[Remark, ...] = ()
    conclusion: Conclusion | None = None
    templates: tuple[str, ...] = ()
    limits: str = ""
    spent: Spent = Spent()

    @model_validator(mode="after")
    def _predictions_precede_outcomes(self) -> CircuitLedger:
        predictions_first(self.predictions, self.outcomes)
        return self

    def refuted(self) -> dict[str, Judgement]:
        """By the id of each hypothesis that was refuted the judgement that did it first."""
        found: dict[str, Judgement] = {}
        for judgement in self.judgements:
            if judgement.ruling is Ruling.REFUTES:
                found.setdefault(judgement.hypothesis, judgement)
        return found

    def survived(self) -> tuple[CircuitHypothesis, ...]:
        """Those that nothing refuted and that an experiment made to refute them supports."""
        attempts = {e.id: e.target for e in self.experiments if e.purpose is Purpose.REFUTE}
        supported = {
            j.hypothesis
            for j in self.judgements
            if j.ruling is Ruling.SUPPORTS and attempts.get(j.experiment) == j.hypothesis
        }
        refuted = self.refuted()
        return tuple(h for h in self.hypotheses if h.id in supported and h.id not in refuted)


class ComponentFinding(Frozen):
    """What came of one component of the circuit: the role that survived, by its hypothesis, or why there is none.

    `effect` is the change of the metric when it is patched, on the pairs that the circuit was found on.
    """

    component: str
    effect: float
    role: str | None
    hypothesis: str | None
    because: str


class ComponentGroup(Frozen):
    """Components of one role that are one and the same: exchanging them does less than exchanging them with others.

    `silhouettes` has the swap silhouette of each, and `silhouette` their mean; merged where that is positive.
    """

    role: str
    components: tuple[str, ...]
    silhouettes: tuple[float, ...]
    silhouette: float
    merged: bool


class CircuitVerdict(StrEnum):
    """Whether a circuit is explained: roles and program both, one of them, or neither; or that it could not be said."""

    EXPLAINED = "explained"
    PARTLY = "partly explained"
    UNEXPLAINED = "unexplained"
    INSUFFICIENT_EVIDENCE = "insufficient evidence"


class CircuitConclusion(Frozen):
    """The verdict, and in words what it rests on. `coverage` is the share of the components' effects with a role."""

    verdict: CircuitVerdict
    because: str
    coverage: float
