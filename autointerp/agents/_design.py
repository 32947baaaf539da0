"""From a scientist's texts to experiments, and from programs to predictions about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autointerp.agents._case import Case
from autointerp.agents._notebook import now
from autointerp.agents._probes import expectations, pick_bold, pick_separating
from autointerp.agents._protocol import EXPLAINED, View
from autointerp.agents._rulings import NULL_BETS
from autointerp.agents._standings import Book
from autointerp.errors import ProgramError
from autointerp.records import (
    EffectClaim,
    EffectExperiment,
    Expected,
    Experiment,
    Hypothesis,
    HypothesisKind,
    Probe,
    Purpose,
    RefineExperiment,
    Registered,
    TextExperiment,
)

#: Texts of one experiment: one forward pass.
PROBES = 32
#: Claims that are tried in one round.
_CLAIMS = 6


@dataclass(frozen=True, slots=True)
class Designed:
    """What a scientist came up with in a round."""

    view: View
    probes: tuple[Probe, ...]
    round: int


def new_id(book: Book, offset: int) -> str:
    """The next free number of an experiment, and those after it."""
    return f"e{len(book.ledger.experiments) + 1 + offset}"


def separation(case: Case, book: Book, designed: Designed, offset: int) -> TextExperiment | None:
    """The texts on which the live hypotheses with programs contradict each other most; None where they all agree."""
    said = _said(case, book.live, designed)
    chosen = pick_separating(designed.probes, said, PROBES, seed=designed.view.seed + designed.round)
    if not chosen:
        return None
    names = ", ".join(said)
    return TextExperiment(
        id=new_id(book, offset),
        at=now(),
        round=designed.round,
        purpose=Purpose.SEPARATE,
        question=f"Which of {names} is right where they contradict each other?",
        probes=tuple(designed.probes[i] for i in chosen),
    )


def refutation(case: Case, book: Book, designed: Designed, purpose: Purpose, offset: int) -> TextExperiment | None:
    """Texts on which the leader commits itself, firing and silent, most of them edited so that it may be wrong."""
    leader = designed.view.leader
    if leader is None:
        return None
    own = leader.hypothesis
    said = _said(case, [own], designed).get(own.id)
    chosen = [] if said is None else pick_bold(designed.probes, said, PROBES, seed=designed.view.seed + designed.round)
    if not chosen:
        return None
    who = "the critic's texts" if purpose is Purpose.CRITIC else "edited texts"
    return TextExperiment(
        id=new_id(book, offset),
        at=now(),
        round=designed.round,
        purpose=purpose,
        question=f"Does {own.id} fail on {who}?",
        probes=tuple(designed.probes[i] for i in chosen),
        target=own.id,
    )


def effects_to_try(book: Book, round_: int, offset: int) -> list[Experiment]:
    """The claims of live hypotheses that no experiment has tried, each once."""
    tried = {e.claim for e in book.ledger.experiments if isinstance(e, EffectExperiment)}
    fresh: list[EffectClaim] = []
    for hypothesis in book.live:
        fresh += [c for c in hypothesis.effects if c not in tried and c not in fresh]
    return [
        EffectExperiment(
            id=new_id(book, offset + i),
            at=now(),
            round=round_,
            question=f"On other prompts: {claim.sentence()}?",
            claim=claim,
        )
        for i, claim in enumerate(fresh[:_CLAIMS])
    ]


def registered(case: Case, book: Book, experiment: Experiment, typical: float) -> list[Registered]:
    """What the live hypotheses say of an experiment, from their programs and claims."""
    found: list[Registered] = []
    for hypothesis in book.live:
        if isinstance(experiment, RefineExperiment):
            if hypothesis.id == experiment.target:
                sentence = f"on the refine split the program correlates at least {EXPLAINED:.2f} with the activations"
                found.append(_prediction(experiment, hypothesis, sentence, at_least=EXPLAINED))
        elif isinstance(experiment, EffectExperiment):
            if experiment.claim in hypothesis.effects:
                claim = experiment.claim
                found.append(_prediction(experiment, hypothesis, claim.sentence(), at_least=claim.at_least))
        elif hypothesis.kind is HypothesisKind.NULL:
            if experiment.purpose in (Purpose.REFUTE, Purpose.CRITIC):
                sentence = f"no program is right on {NULL_BETS:.0%} of these texts"
                found.append(_prediction(experiment, hypothesis, sentence))
        elif hypothesis.program is not None:
            try:
                said = expectations(hypothesis.program, experiment.probes, typical, case.predictor)
            except ProgramError as error:
                case.notebook.remark(
                    f"{experiment.id} {hypothesis.id}", f"the program of {hypothesis.id} fails: {error}"
                )
                continue
            fires, silent = said.count("fires"), said.count("silent")
            sentence = f"it fires on {fires} of these texts, is silent on {silent}"
            found.append(_prediction(experiment, hypothesis, sentence, expects=tuple(said)))
    return found


def _prediction(
    experiment: Experiment,
    hypothesis: Hypothesis,
    sentence: str,
    *,
    expects: tuple[Expected, ...] = (),
    at_least: float | None = None,
) -> Registered:
    return Registered(
        experiment=experiment.id,
        hypothesis=hypothesis.id,
        at=now(),
        sentence=sentence,
        expects=expects,
        at_least=at_least,
    )


def _said(case: Case, hypotheses: Sequence[Hypothesis], designed: Designed) -> dict[str, list[Expected]]:
    """What the programs say of all probes; one that fails on them says nothing."""
    found: dict[str, list[Expected]] = {}
    for hypothesis in hypotheses:
        if hypothesis.program is None or not designed.probes:
            continue
        try:
            found[hypothesis.id] = expectations(
                hypothesis.program, designed.probes, designed.view.seen.typical, case.predictor
            )
        except ProgramError as error:
            key = f"design {designed.round} {hypothesis.id}"
            case.notebook.remark(key, f"the program of {hypothesis.id} fails on the designed texts: {error}")
    return found
