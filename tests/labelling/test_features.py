"""Ranges of features."""

from __future__ import annotations

import pytest

from autointerp.errors import FeatureError, InputError
from autointerp.labelling import parse_features


@pytest.mark.parametrize(
    ("text", "found"),
    [("0:3", [0, 1, 2]), ("7", [7]), (":2", [0, 1]), ("8:", [8, 9]), (":", list(range(10))), ("4, 1:3,2", [4, 1, 2])],
)
def test_what_is_meant(text: str, found: list[int]) -> None:
    assert parse_features(text, 10) == found


@pytest.mark.parametrize("text", ["", "a", "1:2:3", "-1", "3:3", "5:2", "1,,2", "0x2"])
def test_what_is_no_range_says_how_to_write_one(text: str) -> None:
    with pytest.raises(InputError, match="write"):
        parse_features(text, 10)


@pytest.mark.parametrize("text", ["10", "0:11", "12:13"])
def test_beyond_the_dictionary(text: str) -> None:
    with pytest.raises(FeatureError, match="last feature, 9"):
        parse_features(text, 10)
