"""The steps of an investigation of a circuit, each of which reads the notebook and writes into it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from autointerp.agents._case import within
from autointerp.agents._notebook import now
from autointerp.agents.circuits._case import CircuitCase
from autointerp.agents.circuits._custom import attended_places
from autointerp.agents.circuits._design import Planned, first_tests, refutations
from autointerp.agents.circuits._instruments import Instruments
from autointerp.agents.circuits._protocol import NONE_OF_THESE, Component, RoleProposal
from autointerp.agents.circuits._rulings import judge
from autointerp.agents.circuits._standings import CircuitBook
from autointerp.errors import AnswerError, AutointerpError, BudgetError, ProgramError
from autointerp.records import (
    CircuitExperiment,
    CircuitHypothesis,
    CircuitOutcome,
    CircuitPrediction,
    CircuitTest,
    Claim,
)

T = TypeVar("T")

#: Forward passes for each length of prompt that are reserved for an experiment; those that it does not need are given back.
_PASSES = {
    CircuitTest.SIGNATURE: 6,
    CircuitTest.COPYING: 2,
    CircuitTest.ABLATION: 30,
    CircuitTest.REPLACEMENT: 16,
    CircuitTest.DIRECT: 12,
    CircuitTest.SWAP: 4,
    CircuitTest.INTERCHANGE: 60,
}


@dataclass(eq=False)
class CircuitSteps:
    """The steps on one case. They know which follows on which only where one needs what another wrote."""

    case: CircuitCase

    @cached_property
    def instruments(self) -> Instruments:
        """What measures."""
        return Instruments(self.case)

    async def propose(self) -> int:
        """The first roles, and for every component the null beside them whatever the scientist says."""
        view = await asyncio.to_thread(lambda: self.book.view(self.case, 0))
        proposals = await within(self.case, self.case.scientist.propose(view))
        return await asyncio.to_thread(self._enter, proposals, 0)

    async def revise(self, round_: int) -> int:
        """Other roles for components whose roles were all refuted."""
        view = self.book.view(self.case, round_)
        proposals = await self.asked(f"revise {round_}", self.case.scientist.revise(view))
        open_ = set(view.open)
        return await asyncio.to_thread(self._enter, [p for p in proposals if p.component in open_], round_)

    async def test(self, round_: int) -> None:
        """Every role that was proposed in a round: cheap tests of all, then what is made to refute those that are left."""
        for stage in ("first", "refute"):
            await asyncio.to_thread(self._test, round_, stage)

    @property
    def book(self) -> CircuitBook:
        """How everything stands now."""
        return CircuitBook.of(self.case)

    async def asked(self, key: str, work: Coroutine[Any, Any, list[T]]) -> list[T]:
        """What a scientist says; nothing, with a remark, where what it said was no answer."""
        try:
            return await within(self.case, work)
        except AnswerError as error:
            self.case.notebook.remark(key, f"no usable answer: {error}")
            return []

    def make(self, planned: Sequence[Planned], round_: int) -> None:
        """Register what is predicted of all experiments, then make them one by one, and judge. Raises BudgetError."""
        notebook = self.case.notebook
        count = len(notebook.all("experiment", CircuitExperiment))
        made = []
        with notebook.together():
            for number, plan in enumerate(planned, start=count + 1):
                experiment = plan.experiment(f"e{number}", round_)
                notebook.put("experiment", experiment.id, experiment)
                for prediction in plan.predictions(experiment.id):
                    notebook.put("prediction", f"{experiment.id} {prediction.hypothesis}", prediction)
                made.append(experiment)
        hypotheses = {h.id: h for h in notebook.all("hypothesis", CircuitHypothesis)}
        for experiment in made:
            self._judge(experiment, self._perform(experiment, hypotheses[experiment.target]))

    def _test(self, round_: int, stage: str) -> None:
        book, planned = self.book, list[Planned]()
        for component in self.case.components:
            live = [h for h in book.live(component.name) if h.claim is Claim.NULL or h.round == round_]
            if stage == "first":
                planned += first_tests(component, live, ablated=book.ablated(component.name))
            else:
                planned += refutations(component, live)
        self.make(planned, round_)

    def _perform(self, experiment: CircuitExperiment, target: CircuitHypothesis) -> CircuitOutcome:
        """The outcome. That something cannot be measured is an outcome too; only the budget's end is not."""
        lengths = len({len(pair.clean) for pair in self.case.trials.pairs})
        expected, before = _PASSES[experiment.test] * lengths, self._passes()
        self.case.meter.reserve(experiment.id, tool_calls=1, forward_passes=expected)
        try:
            found = self.instruments.measure(experiment, target)
            outcome = CircuitOutcome(
                experiment=experiment.id,
                at=now(),
                sentence=found.sentence,
                values=(found.value, *found.each),
                controls=dict(found.controls),
            )
        except BudgetError:
            raise
        except AutointerpError as error:
            outcome = CircuitOutcome(
                experiment=experiment.id, at=now(), sentence="could not be measured", failed=str(error)
            )
        finally:
            self.case.meter.give_back(experiment.id, forward_passes=expected - (self._passes() - before))
        self.case.tell("outcome", f"{experiment.id} {experiment.question} {outcome.failed or outcome.sentence}")
        return self.case.notebook.put("outcome", experiment.id, outcome)

    def _passes(self) -> int:
        return self.case.parts.subject.usage.forward_passes + self.case.twin.subject.usage.forward_passes

    def _judge(self, experiment: CircuitExperiment, outcome: CircuitOutcome) -> None:
        if outcome.failed:
            return
        for prediction in self.case.notebook.all("prediction", CircuitPrediction):
            if prediction.experiment == experiment.id:
                judgement = judge(prediction, outcome)
                self.case.tell("verdict", f"{judgement.hypothesis} {judgement.ruling}: {judgement.sentence}")
                self.case.notebook.put("judgement", f"{experiment.id} {prediction.hypothesis}", judgement)

    def _enter(self, proposals: Sequence[RoleProposal], round_: int) -> int:
        """Give proposals their numbers; what cannot be put to a test is remarked and left out."""
        notebook, entered = self.case.notebook, 0
        known = {(h.components, h.role) for h in notebook.all("hypothesis", CircuitHypothesis)}
        components = {component.name: component for component in self.case.components}
        with notebook.together():
            for number, proposal in enumerate(proposals):
                wrong = self._fault(proposal, components, known)
                if wrong is not None:
                    notebook.remark(
                        f"left out {round_} {number}", f"left out, {wrong}: {proposal.component} {proposal.role}"
                    )
                    continue
                entered += 1
                known.add(((proposal.component,), proposal.role))
                self._put(_hypothesis(proposal, components[proposal.component], f"h{round_}.{entered}", round_))
            if round_ == 0:
                for component in self.case.components:
                    self._put(_null(component))
        return entered

    def _put(self, hypothesis: CircuitHypothesis) -> None:
        self.case.notebook.put("hypothesis", hypothesis.id, hypothesis)
        if hypothesis.claim is not Claim.NULL:
            self.case.tell("hypothesis", f"{hypothesis.id} {', '.join(hypothesis.components)}: {hypothesis.role}")

    def _fault(
        self, proposal: RoleProposal, components: dict[str, Component], known: set[tuple[tuple[str, ...], str]]
    ) -> str | None:
        """Why a proposal cannot be entered."""
        component = components.get(proposal.component)
        if component is None:
            return f"there is no such component: there are {', '.join(components)}"
        if ((proposal.component,), proposal.role) in known:
            return "it was proposed before"
        if proposal.program is None:
            allowed = ", ".join(component.roles) or "none whose attention cannot be read"
            return None if proposal.role in component.roles else f"no role of the library for it: there are {allowed}"
        if not component.has_pattern:
            return "a program of attention for what has no attention that can be read"
        try:
            attended_places(proposal.program, [example.tokens for example in self.case.examples])
        except ProgramError as error:
            return f"its program fails ({error})"
        return None


def _hypothesis(proposal: RoleProposal, component: Component, id_: str, round_: int) -> CircuitHypothesis:
    return CircuitHypothesis(
        id=id_,
        at=now(),
        round=round_,
        claim=Claim.ROLE,
        components=(component.name,),
        role=proposal.role,
        says=proposal.says or component.roles.get(proposal.role, proposal.role),
        program=proposal.program,
        bets=dict(proposal.bets),
        confidence=proposal.confidence,
        because=proposal.because,
    )


def _null(component: Component) -> CircuitHypothesis:
    return CircuitHypothesis(
        id=f"n.{component.name}",
        at=now(),
        round=0,
        claim=Claim.NULL,
        components=(component.name,),
        role=NONE_OF_THESE,
        says="it has none of the roles that are proposed for it",
        confidence=0.2,
        because="what any other hypothesis has to beat",
    )
