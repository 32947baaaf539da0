"""How the hypotheses stand, read off the notebook."""

from __future__ import annotations

from dataclasses import dataclass

from autointerp.agents._case import Case
from autointerp.agents._experiments import rows_of
from autointerp.agents._observe import Observation
from autointerp.agents._protocol import Measured, Standing, View
from autointerp.agents._rulings import FEWEST
from autointerp.records import (
    EffectClaim,
    EffectExperiment,
    Hypothesis,
    Judgement,
    Ledger,
    Purpose,
    RefineExperiment,
    Ruling,
    TextExperiment,
)


@dataclass(frozen=True, eq=False)
class Book:
    """The notebook of a case as it is now, with look-ups."""

    ledger: Ledger

    @classmethod
    def of(cls, case: Case) -> Book:
        """Read it."""
        return cls(case.notebook.ledger("", case.scientist.name))

    @property
    def live(self) -> list[Hypothesis]:
        """Those that nothing refuted."""
        refuted = self.ledger.refuted()
        return [h for h in self.ledger.hypotheses if h.id not in refuted]

    def score(self, hypothesis: Hypothesis) -> float | None:
        """What the gate said of its program; None where it was not asked or had no answer."""
        asked = {e.id for e in self.ledger.experiments if isinstance(e, RefineExperiment) and e.target == hypothesis.id}
        found = [o.values[0] for o in self.ledger.outcomes if o.experiment in asked and o.values]
        return found[0] if found else None

    def standing(self, hypothesis: Hypothesis) -> Standing:
        """Its score and its record on texts."""
        texts = {e.id for e in self.ledger.experiments if isinstance(e, TextExperiment)}
        own = [j for j in self.ledger.judgements if j.hypothesis == hypothesis.id]
        counted = [j for j in own if j.experiment in texts]
        return Standing(
            hypothesis,
            self.score(hypothesis),
            sum(j.right for j in counted),
            sum(j.said for j in counted),
            tuple(own),
        )

    def survived(self, hypothesis: Hypothesis) -> bool:
        """Whether an experiment made to refute it was made and it was right there at least as often as not."""
        attempts = {
            e.id
            for e in self.ledger.experiments
            if e.target == hypothesis.id and e.purpose in (Purpose.REFUTE, Purpose.CRITIC)
        }
        return any(
            j.experiment in attempts and j.ruling is not Ruling.REFUTES and j.said >= FEWEST and 2 * j.right >= j.said
            for j in self.ledger.judgements
            if j.hypothesis == hypothesis.id
        )

    def settled(self, claim: EffectClaim) -> Judgement | None:
        """The judgement on a claim; None while there is none."""
        asked = {e.id for e in self.ledger.experiments if isinstance(e, EffectExperiment) and e.claim == claim}
        return next((j for j in self.ledger.judgements if j.experiment in asked), None)

    def _fate(self, claim: EffectClaim) -> str:
        judgement = self.settled(claim)
        return "not tried" if judgement is None else judgement.sentence

    def best(self) -> float:
        """The best score of a live hypothesis; -1 where none has one."""
        return max((s for s in map(self.score, self.live) if s is not None), default=-1.0)

    def view(self, case: Case, seen: Observation, round_: int) -> View:
        """What a scientist gets to see."""
        refuted = self.ledger.refuted()
        return View(
            seen=seen,
            round=round_,
            standings=tuple(self.standing(h) for h in self.live),
            refuted=tuple((h, refuted[h.id]) for h in self.ledger.hypotheses if h.id in refuted),
            measured=tuple(self._measured(case)),
            claims={c.sentence(): self._fate(c) for h in self.live for c in h.effects},
            strings=case.bench.subject.strings,
            encode=case.bench.subject.encode,
            predict=case.predict,
            seed=case.bench.seed,
        )

    def _measured(self, case: Case) -> list[Measured]:
        outcomes = {o.experiment: o for o in self.ledger.outcomes}
        found = []
        for experiment in self.ledger.experiments:
            if not isinstance(experiment, TextExperiment) or not (rows := rows_of(case, experiment)):
                continue
            said = {
                p.hypothesis: p.expects for p in self.ledger.predictions if p.experiment == experiment.id and p.expects
            }
            values = outcomes[experiment.id].values if experiment.id in outcomes else ()
            for i, (probe, row) in enumerate(zip(experiment.probes, rows, strict=True)):
                if i < len(values):
                    each = {hypothesis: expects[i] for hypothesis, expects in said.items()}
                    found.append(Measured(probe, tuple(row), values[i], each))
        return found
