"""The steps of an investigation, each of which reads the notebook and writes into it; the graph says which follows which.

A step may be begun again after a kill: what it wrote is found in the notebook, what it had paid for in the cache.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

from autointerp.agents._case import Case, within
from autointerp.agents._design import Designed, effects_to_try, new_id, refutation, registered, separation
from autointerp.agents._experiments import perform
from autointerp.agents._notebook import now
from autointerp.agents._observe import Observation, observe
from autointerp.agents._protocol import Proposal
from autointerp.agents._rulings import judge_effect, judge_null, judge_refine, judge_texts
from autointerp.agents._standings import Book
from autointerp.agents._words import promotes_of
from autointerp.errors import AnswerError, ProgramError
from autointerp.records import (
    EffectClaim,
    Experiment,
    Hypothesis,
    HypothesisKind,
    Judgement,
    Outcome,
    Program,
    Purpose,
    RefineExperiment,
    Registered,
    TextExperiment,
)

T = TypeVar("T")

#: A rival may score less by this on the refine split and still refute.
_WORSE = 0.01

_NULL = Proposal(
    kind=HypothesisKind.NULL,
    fires_on="no rule: several unrelated things, or nothing that the text tells",
    confidence=0.2,
    because="what any other hypothesis has to beat",
)


@dataclass(eq=False)
class Steps:
    """The steps on one case. What they return is the number of things that are new."""

    case: Case

    @cached_property
    def seen(self) -> Observation:
        """The first observation; made again from the index after a restart, its effects read from the notebook."""
        return observe(self.case.bench, self.case.notebook, self.case.meter, effects=self.case.effects)

    async def propose(self) -> int:
        """The first hypotheses, with one about the output and the null among them whatever the scientist says."""
        view = Book.of(self.case).view(self.case, self.seen, 0)
        proposals = await within(self.case, self.case.scientist.propose(view))
        if not any(p.kind is HypothesisKind.OUTPUT for p in proposals) and self.seen.claims:
            proposals = [*proposals, _from_claims(self.seen)]
        if not any(p.kind is HypothesisKind.NULL for p in proposals):
            proposals = [*proposals, _NULL]
        return await asyncio.to_thread(self._enter, proposals, 0)

    async def revise(self, round_: int) -> int:
        """New hypotheses in the light of the experiments."""
        view = Book.of(self.case).view(self.case, self.seen, round_)
        proposals = await self._asked(f"refine {round_}", self.case.scientist.refine(view))
        return await asyncio.to_thread(self._enter, proposals, round_)

    def score(self, round_: int) -> list[str]:
        """Experiments that ask the gate about programs that it was not asked about."""
        book = Book.of(self.case)
        asked = {e.target for e in book.ledger.experiments if isinstance(e, RefineExperiment)}
        made: list[Experiment] = [
            RefineExperiment(
                id=new_id(book, i),
                at=now(),
                round=round_,
                question=f"How well does the program of {h.id} do on text that it was not made from?",
                target=h.id,
            )
            for i, h in enumerate(h for h in book.live if h.program is not None and h.id not in asked)
        ]
        return self._note(f"score {round_}", made)

    async def design(self, round_: int) -> list[str]:
        """One experiment that separates the live hypotheses, one made to refute the leader, and the claims not yet tried."""
        book = Book.of(self.case)
        view = book.view(self.case, self.seen, round_)
        probes = await self._asked(f"design {round_}", self.case.scientist.design(view))
        made = await asyncio.to_thread(self._designed, book, Designed(view, tuple(probes), round_))
        return self._note(f"design {round_}", made)

    async def criticise(self, round_: int) -> list[str]:
        """The critic, who knows the explanation alone, chooses texts that should break it."""
        book = Book.of(self.case)
        view = book.view(self.case, self.seen, round_)
        leader = view.leader
        if leader is None:
            return []
        critic = self.case.critic or self.case.scientist
        own = leader.hypothesis
        probes = await self._asked(f"critic {round_}", critic.challenge(own.fires_on, own.program, view))
        made = await asyncio.to_thread(self._challenged, book, Designed(view, tuple(probes), round_))
        return self._note(f"critic {round_}", made)

    def register(self, pending: Sequence[str]) -> None:
        """Write down what every live hypothesis says of every pending experiment."""
        book = Book.of(self.case)
        experiments = [e for e in book.ledger.experiments if e.id in pending]
        for experiment in experiments:
            if self.case.notebook.has("outcome", experiment.id):
                continue  # begun again after a kill: what was not registered by then is too late
            with self.case.sandbox_lock:
                predictions = registered(self.case, book, experiment, self.seen.typical)
            for prediction in predictions:
                self.case.notebook.put("prediction", f"{prediction.experiment} {prediction.hypothesis}", prediction)

    async def experiment(self, which: str) -> None:
        """Make one experiment. Raises BudgetError."""
        experiment = next(e for e in self.case.notebook.experiments() if e.id == which)
        outcome = await asyncio.to_thread(perform, self.case, experiment)
        self.case.tell("outcome", f"{which} {experiment.question} {outcome.failed or outcome.sentence}")

    def judge(self, pending: Sequence[str]) -> None:
        """Verdicts on all predictions about experiments that were made."""
        book = Book.of(self.case)
        outcomes = {o.experiment: o for o in book.ledger.outcomes}
        for experiment in book.ledger.experiments:
            outcome = outcomes.get(experiment.id)
            if experiment.id not in pending or outcome is None or outcome.failed:
                continue
            said = [p for p in book.ledger.predictions if p.experiment == experiment.id]
            for judgement in _judged(experiment, said, outcome, self.seen.typical, book):
                key = f"{judgement.experiment} {judgement.hypothesis}"
                if not self.case.notebook.has("judgement", key):
                    self.case.tell("verdict", f"{judgement.hypothesis} {judgement.ruling}: {judgement.sentence}")
                self.case.notebook.put("judgement", key, judgement)

    async def _asked(self, key: str, work: Coroutine[Any, Any, list[T]]) -> list[T]:
        """What a scientist says; nothing, with a remark, where what it said was no answer."""
        try:
            return await within(self.case, work)
        except AnswerError as error:
            self.case.notebook.remark(key, f"no usable answer: {error}")
            return []

    def _designed(self, book: Book, designed: Designed) -> list[Experiment]:
        with self.case.sandbox_lock:
            apart = separation(self.case, book, designed, 0)
            made: list[Experiment] = [] if apart is None else [apart]
            # What the one experiment reads already would tell nothing new in the other.
            left = tuple(p for p in designed.probes if apart is None or p not in apart.probes)
            attack = refutation(self.case, book, replace(designed, probes=left), Purpose.REFUTE, len(made))
            made += [] if attack is None else [attack]
        return [*made, *effects_to_try(book, designed.round, len(made))]

    def _challenged(self, book: Book, designed: Designed) -> list[Experiment]:
        with self.case.sandbox_lock:
            made = refutation(self.case, book, designed, Purpose.CRITIC, 0)
        return [] if made is None else [made]

    def _note(self, key: str, experiments: Sequence[Experiment]) -> list[str]:
        """Enter experiments; a step that is begun again gets those that it entered before."""
        ids = ",".join(experiment.id for experiment in experiments)
        known = self.case.notebook.text("designed", key)
        if known is None:
            with self.case.notebook.together():
                for experiment in experiments:
                    self.case.notebook.put("experiment", experiment.id, experiment)
                known = self.case.notebook.put_text("designed", key, ids)
        return [id_ for id_ in known.split(",") if id_]

    def _enter(self, proposals: Sequence[Proposal], round_: int) -> int:
        """Give proposals their numbers; one whose program is known already or does not run is remarked and left out."""
        notebook = self.case.notebook
        if notebook.has("entered", str(round_)):
            return int(notebook.text("entered", str(round_)) or 0)
        with notebook.together():
            return self._entered(proposals, round_)

    def _entered(self, proposals: Sequence[Proposal], round_: int) -> int:
        notebook = self.case.notebook
        known = {h.program for h in notebook.hypotheses() if h.round < round_ and h.program is not None}
        entered = 0
        for i, proposal in enumerate(proposals):
            if proposal.program is not None and proposal.program in known:
                notebook.remark(f"known {round_} {i}", f"proposed again and left out: {proposal.fires_on}")
                continue
            if (wrong := self._fails(proposal.program)) is not None:
                notebook.remark(f"fails {round_} {i}", f"left out, its program fails ({wrong}): {proposal.fires_on}")
                continue
            if proposal.program is not None:
                known.add(proposal.program)
            entered += 1
            kept = _consistent(proposal.effects)
            if len(kept) < len(proposal.effects):
                notebook.remark(
                    f"claims {round_} {i}", f"claims that contradict each other left out: {proposal.fires_on}"
                )
            hypothesis = hypothesis_of(replace(proposal, effects=kept), f"h{round_}.{entered}", round_)
            notebook.put("hypothesis", hypothesis.id, hypothesis)
            self.case.tell("hypothesis", f"{hypothesis.id} {hypothesis.fires_on}")
        notebook.put_text("entered", str(round_), str(entered))
        return entered

    def _fails(self, program: Program | None) -> str | None:
        if program is None:
            return None
        try:
            self.case.predict(program, self.seen.texts[:4])
        except ProgramError as error:
            return str(error)
        return None


def _consistent(claims: Sequence[EffectClaim]) -> tuple[EffectClaim, ...]:
    """The claims without those of which another one says the opposite of the same token."""

    def against(a: EffectClaim, b: EffectClaim) -> bool:
        same = (a.intervention, a.prompts) == (b.intervention, b.prompts)
        return same and a.sign != b.sign and bool({*a.token_ids} & {*b.token_ids})

    return tuple(a for a in claims if not any(against(a, b) for b in claims))


def hypothesis_of(proposal: Proposal, id_: str, round_: int) -> Hypothesis:
    """A proposal with its number and its time."""
    return Hypothesis(
        id=id_,
        at=now(),
        round=round_,
        kind=proposal.kind,
        fires_on=proposal.fires_on,
        promotes=proposal.promotes,
        program=proposal.program,
        effects=proposal.effects,
        clauses=proposal.clauses,
        confidence=proposal.confidence,
        parent=proposal.parent,
        because=proposal.because,
    )


def _from_claims(seen: Observation) -> Proposal:
    promotes = promotes_of(seen.claims)
    return Proposal(
        kind=HypothesisKind.OUTPUT,
        fires_on=f"where the model weighs what comes next: it {promotes}",
        promotes=promotes,
        effects=seen.claims,
        because="ablating and steering moved these logits dependably on some prompts",
    )


def _judged(
    experiment: Experiment, said: Sequence[Registered], outcome: Outcome, typical: float, book: Book
) -> list[Judgement]:
    if experiment.purpose is Purpose.REFINE:
        return [judge_refine(prediction, outcome) for prediction in said]
    if not isinstance(experiment, TextExperiment):
        return [judge_effect(prediction, outcome) for prediction in said]
    kinds = {h.id: h.kind for h in book.ledger.hypotheses}
    rules = [p for p in said if p.expects]
    scores = {h.id: -1.0 if (score := book.score(h)) is None else score for h in book.ledger.hypotheses}
    found = []
    for own in rules:
        # Experiments are made where hypotheses differ: who does worse on ordinary text refutes nobody there.
        good = [r for r in rules if r is not own and scores[r.hypothesis] >= scores[own.hypothesis] - _WORSE]
        apart = experiment.purpose is Purpose.SEPARATE
        found.append(judge_texts(own, outcome, typical, good, chosen_apart=apart))
    nulls = [p for p in said if kinds[p.hypothesis] is HypothesisKind.NULL]
    return [*found, *(judge_null(p, rules, outcome, typical) for p in nulls)]
