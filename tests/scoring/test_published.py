"""The published definitions against tables worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from autointerp.llm import TokenLogprobs
from autointerp.scoring import auroc, average_precision, pooled_correlation
from autointerp.scoring._faithfulness import appears
from autointerp.scoring._generation import reaches
from autointerp.scoring._simulated import expectations
from autointerp.scoring._steering import DAMAGE, DOSES, equal_damage


@pytest.mark.parametrize(
    ("shares", "without", "value"),
    [([0.2, 0.7, 0.5], 0.2, 0.5 / 0.8), ([0.1, 0.0], 0.3, 0.0), ([1.0], 0.0, 1.0), ([0.4], 0.4, 0.0)],
)
def test_faithfulness_is_the_gain_over_what_was_left_to_gain(shares: list[float], without: float, value: float) -> None:
    assert appears(np.array(shares), without) == pytest.approx(value)


def test_faithfulness_is_undefined_where_all_texts_show_the_concept() -> None:
    assert np.isnan(appears(np.array([1.0]), 1.0))


def test_generation_asks_for_half_the_mean_of_the_top_ten() -> None:
    # The top ten of these have a mean of 15.5, so the threshold is 7.75.
    natural = np.arange(21, dtype=np.float32)
    assert reaches(np.array([7.7, 7.75, 20.0, 0.0]), natural).tolist() == [0, 1, 1, 0]


def test_an_effect_is_read_off_at_equal_damage() -> None:
    damages = np.array([0.1, 0.3, 0.7, 2, 3, 4, 5])
    effects = np.array([1.0, 2.0, 4.0, 5, 6, 7, 8])
    assert len(DOSES) == 7
    assert equal_damage(effects, damages) == pytest.approx(3.0)
    assert equal_damage(effects, damages * 10) == pytest.approx(0.5)
    assert equal_damage(effects, damages * DAMAGE / 6) == 8.0


def token(text: str, *top: tuple[str, float]) -> TokenLogprobs:
    return TokenLogprobs(token=text, logprob=dict(top).get(text, 0.0), top=top)


def test_an_expected_level_weighs_the_alternatives() -> None:
    even = (("3", np.log(0.4)), ("5", np.log(0.4)), ("x", np.log(0.2)))
    tokens = [token('{"numbers":['), token("3", *even), token(","), token(" 10", (" 10", 0.0)), token("]}")]
    assert expectations(tokens, [3, 10]) == pytest.approx([4.0, 10.0])


def test_numbers_in_several_tokens_have_no_expected_level() -> None:
    assert expectations([token("1"), token("0")], [10]) is None


#: The strongest activation in each of six texts, and whether a judge finds that the concept is in them.
MAXIMA, FITS = (9.0, 7.0, 5.0, 3.0, 1.0, 0.0), (True, False, True, True, False, False)


def test_responsiveness_and_purity_by_hand() -> None:
    # Of the nine pairs of a fitting and another text all but (5, 7) and (3, 7) are the right way round.
    own, fits = np.array(MAXIMA), np.array(FITS)
    assert 2 * auroc(own, fits) - 1 == pytest.approx(2 * 7 / 9 - 1)
    # Down the list the fitting ones come first, third and fourth: precision 1/1, 2/3 and 3/4.
    assert average_precision(own, fits) == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)


def test_clarity_by_hand() -> None:
    # Written texts at 4 and 1, natural ones at 0, 2 and 1: 4 beats three, 1 beats one and ties with one.
    values, concept = np.array([4.0, 1.0, 0.0, 2.0, 1.0]), np.array([True, True, False, False, False])
    assert 2 * auroc(values, concept) - 1 == pytest.approx(2 * (3 + 1.5) / 6 - 1)


def test_prediction_by_hand() -> None:
    # Two texts of two tokens, pooled: x = 0 1 1 2, y = 0 2 0 2. Means 1 and 1; Sxy = 2, Sxx = 2, Syy = 4.
    x, y = np.array([[0.0, 1.0], [1.0, 2.0]]), np.array([[0.0, 2.0], [0.0, 2.0]])
    assert pooled_correlation(x, y, np.ones((2, 2), bool)) == pytest.approx(2 / np.sqrt(2 * 4))
