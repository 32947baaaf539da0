"""Which features of a dictionary are meant."""

from __future__ import annotations

import re

from autointerp.errors import FeatureError, InputError

_RANGE = re.compile(r"(\d*):(\d*)")


def parse_features(text: str, size: int) -> list[int]:
    """Read `0:4096` (the end not included), `17`, `:100`, or several of them with commas between; each feature once.

    Raises InputError for anything else, FeatureError for numbers that a dictionary of `size` features does not have.
    """
    found: dict[int, None] = {}
    for part in (part.strip() for part in text.split(",")):
        match = _RANGE.fullmatch(part)
        if match is not None:
            low, high = int(match[1] or 0), int(match[2] or size)
        elif part.isdecimal():
            low, high = int(part), int(part) + 1
        else:
            raise InputError(f"{part!r} names no features: write 0:4096, 17, or several with commas")
        if low >= high:
            raise InputError(f"{part!r} is empty: write the first feature and the one after the last, as in 0:{size}")
        if high > size:
            raise FeatureError(f"{part!r} passes the dictionary's last feature, {size - 1}: end at {size}")
        found |= dict.fromkeys(range(low, high))
    return list(found)
