"""The line that says what scores establish."""

from __future__ import annotations

import pytest

from autointerp.records import Score, Unscored
from autointerp.scoring import established


def score(name: str, value: float, low: float, **control: float) -> Score:
    return Score(name=name, value=value, ci=(low, 1.0), n=9, control=control)


SIMULATED = score("simulation", 0.8, 0.7, shuffled_explanation=0.1, token_table=0.5)


@pytest.mark.parametrize(
    ("results", "line"),
    [
        (
            [SIMULATED, score("intervention_accuracy", 0.4, 0.2, matched_random_feature=0.3)],
            "predicts where it fires (simulation 0.80); not causal for its output claims (intervention_accuracy 0.40)",
        ),
        (
            [score("simulation", 0.8, 0.7, token_table=0.9), score("substitution", 0.6, 0.3)],
            "predicts where it fires (simulation 0.80), but no better than a table of tokens; can stand in for the feature"
            " (substitution 0.60); output claims untested",
        ),
        (
            [score("detection", 0.5, 0.4, chance=0.5), score("output_choice", 0.9, 0.6, chance=1 / 3)],
            "not shown to predict where it fires (detection 0.50); causal for its output claims (output_choice 0.90)",
        ),
        ([Unscored(name="simulation", reason="no program")], "nothing, as no score has a value"),
    ],
)
def test_lines(results: list[Score | Unscored], line: str) -> None:
    assert established(results) == line
