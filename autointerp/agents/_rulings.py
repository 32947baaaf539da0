"""Verdicts, computed from predictions and outcomes by code."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

from autointerp.agents._notebook import now
from autointerp.agents._probes import FIRES
from autointerp.records import Judgement, Outcome, Registered, Ruling

#: A hypothesis that says something clear about fewer texts than this is neither supported nor refuted.
FEWEST = 4
#: This share of right predictions supports.
SUPPORTS = 0.75
#: Predictions refute that are right so seldom that a coin would do as badly more rarely than this (one-sided binomial test):
#: texts are chosen to be hard, and of a dozen of those half are soon wrong.
_COIN = 0.05
#: The null bets that no rule reaches this share.
NULL_BETS = 0.65
#: A rival that was right where this one was wrong refutes it, if chance would do that more rarely (one-sided sign test).
_CHANCE = 0.01


def judge_texts(
    prediction: Registered, outcome: Outcome, typical: float, rivals: Sequence[Registered] = (), *, chosen_apart: bool
) -> Judgement:
    """Refuted: beaten by a rival where the two disagreed; or right so seldom that a coin would hardly do worse.

    The latter not where the texts were `chosen_apart`, because hypotheses contradict each other there: of two that do, one is
    wrong on every such text, and may be right about all others.
    """
    hits = _hits(prediction, outcome, typical)
    said, right = len(hits), sum(hits.values())
    beaten = next((r for r in rivals if _beats(r, prediction, outcome, typical)), None)
    if said < FEWEST:
        ruling, why = Ruling.UNDECIDED, "too few clear predictions"
    elif beaten is not None:
        ruling, why = Ruling.REFUTES, f"{beaten.hypothesis} was right where it was wrong"
    elif _at_most(right, said) < _COIN and not chosen_apart:
        ruling, why = Ruling.REFUTES, "wrong more often than right"
    else:
        ruling = Ruling.SUPPORTS if right / said >= SUPPORTS else Ruling.UNDECIDED
        why = ""
    sentence = f"{right} of {said} clear predictions came true" + (f": {why}" if why else "")
    return _judgement(prediction, ruling, right, said, sentence)


def judge_null(prediction: Registered, rules: Sequence[Registered], outcome: Outcome, typical: float) -> Judgement:
    """The null is right about an experiment where the best rule stays below the share that it bet on.

    What counts of a rule is where it does worse: of the texts on which it says that the feature fires, or of those on which it
    says that it is silent. A feature is silent nearly everywhere, and whoever says no more than that is right nearly always.
    """
    told = [(side, rule) for rule in rules if (side := _worse_side(rule, outcome, typical)) is not None]
    if not told:
        return _judgement(prediction, Ruling.UNDECIDED, 0, 0, "no rule said enough to bet against")
    (right, said), best = max(told, key=lambda one: one[0][0] / one[0][1])
    share = right / said
    against = share >= NULL_BETS
    ruling = Ruling.REFUTES if share >= SUPPORTS else Ruling.UNDECIDED if against else Ruling.SUPPORTS
    sentence = f"the best rule, {best.hypothesis}, was right on {right} of {said} where it did worse, fires or silent"
    return _judgement(prediction, ruling, int(not against), 1, sentence)


def judge_effect(prediction: Registered, outcome: Outcome) -> Judgement:
    """A claim holds where most prompts move by what it promises; it falls where fewer than a third do."""
    assert prediction.at_least is not None
    moved = sum(value >= prediction.at_least for value in outcome.values)
    said = len(outcome.values)
    share = moved / said if said else 0.0
    ruling = Ruling.SUPPORTS if share > 1 / 2 else Ruling.REFUTES if share < 1 / 3 else Ruling.UNDECIDED
    if said < FEWEST:
        ruling = Ruling.UNDECIDED
    return _judgement(prediction, ruling, moved, said, f"true on {moved} of {said} other prompts")


def judge_refine(prediction: Registered, outcome: Outcome) -> Judgement:
    """The score reaches what was predicted, or the program says too little."""
    assert prediction.at_least is not None
    if not outcome.values:
        return _judgement(prediction, Ruling.REFUTES, 0, 1, "no correlation could be computed")
    right = outcome.values[0] >= prediction.at_least
    sentence = f"correlation {outcome.values[0]:.2f}, predicted at least {prediction.at_least:.2f}"
    return _judgement(prediction, Ruling.SUPPORTS if right else Ruling.UNDECIDED, int(right), 1, sentence)


def _hits(prediction: Registered, outcome: Outcome, typical: float) -> dict[int, bool]:
    """Which clear predictions came true, by the number of the probe."""
    return {
        i: (value >= FIRES * typical) == (said == "fires")
        for i, (said, value) in enumerate(zip(prediction.expects, outcome.values, strict=True))
        if said != "open"
    }


def _worse_side(rule: Registered, outcome: Outcome, typical: float) -> tuple[int, int] | None:
    """How many predictions came true of how many, of those that it fires or those that it is silent, whichever did worse.

    None where it said too little, or hardly said anywhere that it fires.
    """
    hits = _hits(rule, outcome, typical)
    sides = [[hit for i, hit in hits.items() if rule.expects[i] == side] for side in ("fires", "silent")]
    if len(hits) < FEWEST or len(sides[0]) < FEWEST // 2:
        return None
    counted = [(sum(side), len(side)) for side in sides if len(side) >= FEWEST // 2]
    return min(counted, key=lambda one: one[0] / one[1])


def _at_most(right: int, said: int) -> float:
    """How likely a coin is to be right at most so often."""
    return sum(comb(said, k) for k in range(right + 1)) / 2.0**said


def _beats(rival: Registered, own: Registered, outcome: Outcome, typical: float) -> bool:
    theirs, mine = _hits(rival, outcome, typical), _hits(own, outcome, typical)
    both = [i for i in theirs.keys() & mine.keys() if theirs[i] != mine[i]]
    won = sum(theirs[i] for i in both)
    chance = sum(comb(len(both), k) for k in range(won, len(both) + 1)) / 2 ** len(both)
    return bool(both) and chance < _CHANCE


def _judgement(prediction: Registered, ruling: Ruling, right: int, said: int, sentence: str) -> Judgement:
    return Judgement(
        experiment=prediction.experiment,
        hypothesis=prediction.hypothesis,
        at=now(),
        ruling=ruling,
        right=right,
        said=said,
        sentence=sentence,
    )
