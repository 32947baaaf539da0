"""How the hypotheses about a circuit stand, read off the notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from autointerp.agents._notebook import Notebook
from autointerp.agents.circuits._case import CircuitCase
from autointerp.agents.circuits._protocol import CircuitView
from autointerp.records import (
    CircuitExperiment,
    CircuitHypothesis,
    CircuitLedger,
    CircuitOutcome,
    CircuitPrediction,
    CircuitTest,
    Claim,
    Conclusion,
    Judgement,
    Purpose,
    Remark,
)


def ledger_of(notebook: Notebook, scientist: str, limits: str = "") -> CircuitLedger:
    """The notebook of a circuit as a value."""
    conclusions = notebook.all("conclusion", Conclusion)
    return CircuitLedger(
        scientist=scientist,
        hypotheses=notebook.all("hypothesis", CircuitHypothesis),
        experiments=notebook.all("experiment", CircuitExperiment),
        predictions=notebook.all("prediction", CircuitPrediction),
        outcomes=notebook.all("outcome", CircuitOutcome),
        judgements=notebook.all("judgement", Judgement),
        remarks=notebook.all("remark", Remark),
        conclusion=conclusions[-1] if conclusions else None,
        limits=limits,
        spent=notebook.spent(),
    )


@dataclass(frozen=True, eq=False)
class CircuitBook:
    """The notebook as it is now, with look-ups."""

    ledger: CircuitLedger

    @classmethod
    def of(cls, case: CircuitCase) -> CircuitBook:
        """Read it."""
        return cls(ledger_of(case.notebook, case.scientist.name))

    @cached_property
    def refuted(self) -> dict[str, Judgement]:
        """By hypothesis what refuted it."""
        return self.ledger.refuted()

    @cached_property
    def survived(self) -> dict[str, CircuitHypothesis]:
        """The role of each component that has one; of several the one whose refutation failed most clearly."""
        found: dict[str, CircuitHypothesis] = {}
        for hypothesis in self.ledger.survived():
            if hypothesis.claim is Claim.ROLE:
                (name,) = hypothesis.components
                other = found.get(name)
                if other is None or self.margin(hypothesis) > self.margin(other):
                    found[name] = hypothesis
        return found

    @property
    def open(self) -> list[str]:
        """Components whose roles were all refuted, and which do matter on other pairs."""
        found = []
        nulls = [h for h in self.ledger.hypotheses if h.claim is Claim.NULL and len(h.components) == 1]
        for name in (null.components[0] for null in nulls):
            roles = [h for h in self.about(name) if h.claim is Claim.ROLE]
            if all(h.id in self.refuted for h in roles) and not self._idle(roles):
                found.append(name)
        return found

    def about(self, component: str) -> list[CircuitHypothesis]:
        """The hypotheses about one component alone."""
        single = (Claim.ROLE, Claim.NULL)
        return [h for h in self.ledger.hypotheses if h.claim in single and h.components == (component,)]

    def live(self, component: str) -> list[CircuitHypothesis]:
        """Those of them that nothing refuted."""
        return [h for h in self.about(component) if h.id not in self.refuted]

    def margin(self, hypothesis: CircuitHypothesis) -> float:
        """What was measured when it was to be refuted; minus infinity where nothing was."""
        asked = {e.id for e in self.ledger.experiments if e.target == hypothesis.id and e.purpose is Purpose.REFUTE}
        return max(
            (o.values[0] for o in self.ledger.outcomes if o.experiment in asked and o.values), default=-float("inf")
        )

    def value(self, hypothesis: CircuitHypothesis, test: CircuitTest) -> float | None:
        """What one test of its role measured; None where it was not made, or failed."""
        asked = {e.id for e in self.ledger.experiments if e.target == hypothesis.id and e.test is test}
        return next((o.values[0] for o in self.ledger.outcomes if o.experiment in asked and o.values), None)

    def ablated(self, component: str) -> bool:
        """Whether patching it on other pairs was tried."""
        return any(e.test is CircuitTest.ABLATION and e.components == (component,) for e in self.ledger.experiments)

    def view(self, case: CircuitCase, round_: int, units: Sequence[tuple[str, tuple[str, ...]]] = ()) -> CircuitView:
        """What a scientist gets to see."""
        return CircuitView(
            task=case.seen.name,
            asks=case.asks,
            examples=case.examples,
            components=case.components,
            round=round_,
            hypotheses=self.ledger.hypotheses,
            refuted=self.refuted,
            survived=self.survived,
            open=tuple(self.open),
            units=tuple(units),
            seed=case.seed,
        )

    def _idle(self, roles: Sequence[CircuitHypothesis]) -> bool:
        """Whether it was patching that refuted them: then no other role would fare better."""
        ablations = {e.id for e in self.ledger.experiments if e.test is CircuitTest.ABLATION}
        return any(self.refuted[h.id].experiment in ablations for h in roles if h.id in self.refuted)
