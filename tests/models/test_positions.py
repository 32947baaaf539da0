"""Selections against a reading of each text by itself, token by token."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autointerp.errors import ModelError
from autointerp.models import After, And, At, Generated, Marked, Not, Or, Positions, TokenIs
from autointerp.models._batch import rectangle
from autointerp.models._positions import Text, positions_from_dict

LEAVES = st.one_of(
    st.builds(At, st.lists(st.integers(-9, 9), max_size=3)),
    st.builds(TokenIs, st.lists(st.integers(0, 4), max_size=3)),
    st.just(Generated()),
)
SELECTIONS: st.SearchStrategy[Positions] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(After, inner),
        st.builds(Not, inner),
        st.builds(And, st.lists(inner, max_size=3)),
        st.builds(Or, st.lists(inner, max_size=3)),
    ),
    max_leaves=5,
)
TEXTS = st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=7), min_size=1, max_size=4)


def told(positions: Positions, text: list[int], prompt: int, place: int) -> bool:
    """Whether a selection holds at one place of one text, of which the first `prompt` tokens are the prompt."""
    match positions:
        case At(indices):
            return place in [index if index >= 0 else prompt + index for index in indices]
        case TokenIs(ids):
            return text[place] in ids
        case Generated():
            return place >= prompt
        case After(of):
            return any(told(of, text, prompt, before) for before in range(place))
        case Not(of):
            return not told(of, text, prompt, place)
        case And(parts):
            return all(told(part, text, prompt, place) for part in parts)
        case Or(parts):
            return any(told(part, text, prompt, place) for part in parts)
    raise AssertionError(positions)


def text_of(texts: list[list[int]], side: Any, generated: int = 0) -> Text:
    """Texts of which the last `generated` tokens were generated, padded on one side (prompts on the left, if any were)."""
    batch = rectangle(texts, 9, side)
    return Text(batch.ids, batch.mask, batch.ids.shape[1] - generated)


@settings(max_examples=200, deadline=None)
@given(SELECTIONS, TEXTS, st.sampled_from(["left", "right"]))
def test_a_selection_says_the_same_of_each_text_whatever_the_padding(
    positions: Positions, texts: list[list[int]], side: str
) -> None:
    text = text_of(texts, side)
    chosen = positions.resolve(text)
    for row, ids in enumerate(texts):
        expected = [told(positions, ids, len(ids), place) for place in range(len(ids))]
        assert chosen[row][text.mask[row]].tolist() == expected
        assert not chosen[row][~text.mask[row]].any()


@settings(max_examples=100, deadline=None)
@given(SELECTIONS, TEXTS, st.lists(st.integers(0, 4), min_size=1, max_size=4))
def test_a_selection_does_not_change_its_mind_while_a_text_grows(
    positions: Positions, prompts: list[list[int]], new: list[int]
) -> None:
    before = positions.resolve(text_of(prompts, "left"))
    grown = [[*prompt, *new] for prompt in prompts]
    after = positions.resolve(text_of(grown, "left", len(new)))
    assert torch.equal(after[:, : before.shape[1]], before)
    for row, ids in enumerate(grown):
        start = len(ids) - len(new)
        expected = [told(positions, ids, start, place) for place in range(start, len(ids))]
        assert after[row, before.shape[1] :].tolist() == expected


@settings(max_examples=100, deadline=None)
@given(SELECTIONS)
def test_a_selection_is_plain_data(positions: Positions) -> None:
    assert positions_from_dict(json.loads(json.dumps(positions.to_dict()))) == positions


def test_a_mask_is_plain_data_and_selects_nothing_that_is_generated() -> None:
    mask = torch.tensor([[True, False, True], [False, True, True]])
    again = positions_from_dict(json.loads(json.dumps((~Marked(mask)).to_dict())))
    assert isinstance(again, Not)
    assert isinstance(again.of, Marked)
    assert torch.equal(again.of.mask, mask)
    grown = text_of([[1, 2, 3, 4], [1, 2, 3, 4]], "left", 1)
    assert Marked(mask).resolve(grown).tolist() == [[True, False, True, False], [False, True, True, False]]
    assert Marked(mask[:1]).resolve(grown).tolist() == [[True, False, True, False]] * 2


def test_operators_combine() -> None:
    first, second = At([1]), TokenIs([3])
    assert first & second == And((first, second))
    assert first | second == Or((first, second))
    assert ~first == Not(first)


@pytest.mark.parametrize(
    "data",
    [
        {"positions": "Closure"},
        {"positions": "At"},
        {"positions": "At", "indices": ["a"]},
        {"positions": "At", "indices": [1], "more": 2},
        {"positions": "Not", "of": 5},
        {"positions": "And", "parts": [{"positions": "At"}]},
        {"positions": "Marked", "mask": {"dtype": "bool", "shape": [3], "base64": "AA=="}},
        {"positions": ["At"]},
        {},
        [],
    ],
)
def test_what_is_no_selection_is_refused(data: Any) -> None:
    with pytest.raises(ModelError) as caught:
        positions_from_dict(data)
    assert "\n" not in str(caught.value)


def test_a_mask_of_another_shape_is_refused() -> None:
    text = text_of([[1, 2, 3], [1, 2]], "right")
    for shape in [(1, 2), (3, 3), (3,)]:
        with pytest.raises(ModelError, match="does not fit texts of"):
            Marked(torch.ones(shape, dtype=torch.bool)).resolve(text)
    with pytest.raises(ModelError, match="bool tensor, not by"):
        Marked(torch.ones(2, 3))
