"""Verdicts worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from autointerp.agents._rulings import judge_effect, judge_null, judge_refine, judge_texts
from autointerp.records import Outcome, Registered, Ruling

NOW = datetime(2026, 1, 1, tzinfo=UTC)
#: A typical peak; from a quarter of it on, the feature fires.
TYPICAL = 8.0


def said(letters: str, who: str = "h1", at_least: float | None = None) -> Registered:
    """f fires, s silent, - open."""
    expects = tuple({"f": "fires", "s": "silent", "-": "open"}[letter] for letter in letters)
    return Registered(experiment="e1", hypothesis=who, at=NOW, sentence="", expects=expects, at_least=at_least)  # type: ignore[arg-type]


def came(*values: float) -> Outcome:
    return Outcome(experiment="e1", at=NOW, sentence="", values=values)


@pytest.mark.parametrize(
    ("expects", "values", "ruling", "right", "count"),
    [
        ("ffss", (8, 2, 0, 1.9), Ruling.SUPPORTS, 4, 4),
        ("ffss", (8, 1.9, 0, 2), Ruling.UNDECIDED, 2, 4),
        ("ffss", (0, 0, 0, 8), Ruling.UNDECIDED, 1, 4),
        ("ffffssss", (0, 0, 0, 0, 8, 8, 8, 0), Ruling.REFUTES, 1, 8),
        ("ffffssss", (0, 0, 0, 0, 8, 8, 0, 0), Ruling.UNDECIDED, 2, 8),
        ("ff--", (0, 0, 0, 8), Ruling.UNDECIDED, 0, 2),
        ("ffff", (8, 8, 8, 0), Ruling.SUPPORTS, 3, 4),
    ],
)
def test_texts(expects: str, values: tuple[float, ...], ruling: Ruling, right: int, count: int) -> None:
    judgement = judge_texts(said(expects), came(*values), TYPICAL, chosen_apart=False)
    assert (judgement.ruling, judgement.right, judgement.said) == (ruling, right, count)


def test_on_texts_chosen_apart_being_wrong_is_not_enough() -> None:
    judgement = judge_texts(said("ffffssss"), came(0, 0, 0, 0, 8, 8, 8, 0), TYPICAL, chosen_apart=True)
    assert judgement.ruling is Ruling.UNDECIDED


@pytest.mark.parametrize(("texts", "ruling"), [(6, Ruling.UNDECIDED), (7, Ruling.REFUTES)])
def test_a_rival_has_to_win_by_more_than_chance(texts: int, ruling: Ruling) -> None:
    # All of them won by the rival: 2**-6 is above one in a hundred, 2**-7 below.
    own, rival = said("f" * texts), said("s" * texts, "h2")
    judgement = judge_texts(own, came(*[0.0] * texts), TYPICAL, [rival], chosen_apart=True)
    assert judgement.ruling is ruling
    assert ("h2 was right" in judgement.sentence) == (ruling is Ruling.REFUTES)
    assert judge_texts(rival, came(*[0.0] * texts), TYPICAL, [own], chosen_apart=True).ruling is Ruling.SUPPORTS


@pytest.mark.parametrize(
    ("right", "ruling"), [(5, Ruling.SUPPORTS), (6, Ruling.SUPPORTS), (7, Ruling.UNDECIDED), (8, Ruling.REFUTES)]
)
def test_the_null_bets_against_the_best_rule(right: int, ruling: Ruling) -> None:
    outcome = came(*[8.0] * right, *[0.0] * (10 - right))
    assert judge_null(said("", "h0"), [said("f" * 10)], outcome, TYPICAL).ruling is ruling


@pytest.mark.parametrize(("fires", "ruling"), [(1, Ruling.SUPPORTS), (3, Ruling.SUPPORTS), (4, Ruling.REFUTES)])
def test_being_right_about_silence_alone_refutes_no_null(fires: int, ruling: Ruling) -> None:
    """Right on sixteen silent texts, and on some of the five on which the rule says that it fires."""
    outcome = came(*[8.0] * fires, *[0.0] * (5 - fires), *[0.0] * 16)
    judgement = judge_null(said("", "h0"), [said("f" * 5 + "s" * 16)], outcome, TYPICAL)
    assert judgement.ruling is ruling
    assert judge_null(said("", "h0"), [said("s" * 21)], outcome, TYPICAL).ruling is Ruling.UNDECIDED


@pytest.mark.parametrize(("moved", "ruling"), [(2, Ruling.REFUTES), (4, Ruling.UNDECIDED), (6, Ruling.SUPPORTS)])
def test_claims(moved: int, ruling: Ruling) -> None:
    outcome = came(*[0.5] * moved, *[0.1] * (10 - moved))
    assert judge_effect(said("", at_least=0.3), outcome).ruling is ruling


def test_the_refine_split() -> None:
    assert judge_refine(said("", at_least=0.3), came(0.31)).ruling is Ruling.SUPPORTS
    assert judge_refine(said("", at_least=0.3), came(0.29)).ruling is Ruling.UNDECIDED
    assert judge_refine(said("", at_least=0.3), came()).ruling is Ruling.REFUTES
