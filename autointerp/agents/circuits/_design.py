"""From hypotheses about components to experiments of the menu, and to predictions about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from autointerp.agents._notebook import now
from autointerp.agents.circuits._protocol import Component
from autointerp.circuits import ANSWER_WRITER, NAME_MOVER, NEGATIVE_MOVER, TOKEN_LOOKUP
from autointerp.records import CircuitExperiment, CircuitHypothesis, CircuitPrediction, CircuitTest, Claim, Purpose

#: What a role has to show: this share of the attention, or of agreement, where it says.
SHOWN = 0.3
#: The rank of the answer among all tokens in what an answer writer writes, and of what a mover reads in what it writes.
RANKS = 0.5
#: The ideal pattern undoes more than this share of what an even one does.
HELD = 0.5
#: More than this share of an answer writer's effect goes straight to the logits.
STRAIGHT = 0.5
#: On other pairs patching does more than this share of what it did on those that are seen.
KEPT = 0.5
#: A program agrees more often than this with the network under interchange, on pairs that its map was not fitted on.
FITS = 0.75

_MOVERS = (NAME_MOVER, NEGATIVE_MOVER)
_BARS = {
    CircuitTest.SIGNATURE: SHOWN,
    CircuitTest.COPYING: RANKS,
    CircuitTest.REPLACEMENT: HELD,
    CircuitTest.DIRECT: STRAIGHT,
    CircuitTest.SWAP: 0.0,
    CircuitTest.INTERCHANGE: FITS,
}


@dataclass(frozen=True, slots=True)
class Planned:
    """An experiment before it has its number, and what is predicted about it: by hypothesis a sentence and a bar.

    A bar of `at_most` is that of a null, or of a rival that is wrong where the target is right. `controlled` says whether
    the target has to pass the controls too, which are reported in any case.
    """

    test: CircuitTest
    purpose: Purpose
    components: tuple[str, ...]
    target: str
    question: str
    at_least: dict[str, float] = field(default_factory=dict)
    at_most: dict[str, float] = field(default_factory=dict)
    controlled: bool = True

    def experiment(self, id_: str, round_: int) -> CircuitExperiment:
        """With its number and its time."""
        return CircuitExperiment(
            id=id_,
            at=now(),
            round=round_,
            test=self.test,
            purpose=self.purpose,
            components=self.components,
            target=self.target,
            question=self.question,
        )

    def predictions(self, id_: str) -> Iterator[CircuitPrediction]:
        """Those of all hypotheses that say something, with the time at which they are written down."""
        what = _MEASURED[self.test]
        for hypothesis, bar in self.at_least.items():
            sentence = f"{what} is above {bar:.2f}" + (", and above every control" if self.controlled else "")
            yield CircuitPrediction(
                experiment=id_,
                hypothesis=hypothesis,
                at=now(),
                sentence=sentence,
                at_least=bar,
                above_controls=self.controlled,
            )
        for hypothesis, bar in self.at_most.items():
            nulls = self.purpose is Purpose.REFUTE
            sentence = f"{what} is at most {bar:.2f}" + (", or a control reaches as much" if nulls else "")
            yield CircuitPrediction(
                experiment=id_, hypothesis=hypothesis, at=now(), sentence=sentence, at_most=bar, above_controls=nulls
            )


_MEASURED = {
    CircuitTest.SIGNATURE: "the share that is where the role says",
    CircuitTest.COPYING: "the rank of what it reads in what it writes",
    CircuitTest.ABLATION: "the change of the metric, in the direction seen before,",
    CircuitTest.REPLACEMENT: "the share of the damage that the ideal in its place undoes",
    CircuitTest.DIRECT: "the share of its effect that goes straight to the logits",
    CircuitTest.SWAP: "the swap silhouette",
    CircuitTest.INTERCHANGE: "the interchange intervention accuracy",
}


def first_tests(component: Component, live: Sequence[CircuitHypothesis], *, ablated: bool) -> list[Planned]:
    """What is cheap and asks every role: the signature, copying, and whether the component matters on other pairs at all."""
    roles = [h for h in live if h.claim is Claim.ROLE]
    null = [h.id for h in live if h.claim is Claim.NULL]
    made = []
    if roles and not ablated:
        bar = KEPT * abs(component.effect)
        question = f"Does patching {component.name} move the metric on other pairs as it did on those seen?"
        made.append(
            Planned(
                CircuitTest.ABLATION,
                Purpose.EFFECT,
                (component.name,),
                roles[0].id,
                question,
                {h.id: bar for h in roles},
            )
        )
    for own in roles:
        last = own.role == ANSWER_WRITER and component.final
        # Nobody reads the last part but the logits, so that its effect goes straight there whatever it does.
        purpose = Purpose.REFUTE if last else Purpose.SEPARATE
        rivals = {h.id: SHOWN for h in roles if h.role in _MOVERS and own.role not in _MOVERS}
        made.append(
            Planned(
                CircuitTest.SIGNATURE,
                purpose,
                (component.name,),
                own.id,
                _signature_question(component, own),
                {own.id: max(_signature_bar(own), own.bets.get(CircuitTest.SIGNATURE, 0.0))},
                rivals if not last else dict.fromkeys(null, RANKS),
                # What an untrained MLP writes follows from its token too, so that the twin is no control of it.
                controlled=own.role != TOKEN_LOOKUP,
            )
        )
        if own.role in _MOVERS or CircuitTest.COPYING in own.bets:
            made.append(_plain(CircuitTest.COPYING, Purpose.SEPARATE, component, own, "Does it copy what it reads?"))
    return made


def refutations(component: Component, live: Sequence[CircuitHypothesis]) -> list[Planned]:
    """What is made to refute a role that has shown: something ideal in its place, or the way of its effect."""
    null = [h.id for h in live if h.claim is Claim.NULL]
    made = []
    for own in live:
        if own.claim is not Claim.ROLE:
            continue
        if own.role == ANSWER_WRITER:
            if not component.final:
                question = "Do the logits read it themselves, or somebody in between?"
                made.append(_plain(CircuitTest.DIRECT, Purpose.REFUTE, component, own, question, null))
            continue
        ideal = "what it writes at the same token elsewhere" if own.role == TOKEN_LOOKUP else "the ideal pattern"
        question = f"Can {ideal} stand in for {component.name} as {own.role}?"
        made.append(_plain(CircuitTest.REPLACEMENT, Purpose.REFUTE, component, own, question, null))
        if CircuitTest.DIRECT in own.bets:
            question = "Do the logits read it themselves, or somebody in between?"
            made.append(_plain(CircuitTest.DIRECT, Purpose.REFUTE, component, own, question))
    return made


def _plain(
    test: CircuitTest,
    purpose: Purpose,
    component: Component,
    own: CircuitHypothesis,
    question: str,
    null: Sequence[str] = (),
) -> Planned:
    bar = _BARS[test]
    at_least = {own.id: max(bar, own.bets.get(test, 0.0))}
    return Planned(test, purpose, (component.name,), own.id, question, at_least, dict.fromkeys(null, bar))


def _signature_bar(own: CircuitHypothesis) -> float:
    return RANKS if own.role == ANSWER_WRITER else SHOWN


def _signature_question(component: Component, own: CircuitHypothesis) -> str:
    if own.role == ANSWER_WRITER:
        return f"How high does the answer rank in what {component.name} writes to the logits?"
    if own.role == TOKEN_LOOKUP:
        return f"How far does what {component.name} writes follow from the token alone?"
    where = "the prompts of other pairs" if own.role in _MOVERS else "prompts made for it"
    return f"How much of the attention of {component.name} goes where {own.role} says, on {where}?"
