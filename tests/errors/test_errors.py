"""The tree of exceptions is the one that its docstring draws."""

from __future__ import annotations

import re

import autointerp.errors as errors


def test_the_drawing_is_the_tree() -> None:
    drawn: dict[str, str] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"([ │├└─]*)([A-Z]\w+Error|RetryWithOther|Adapt)( |$)", line):
            path = [*path[: len(match.group(1)) // 4], match.group(2)]
            drawn[match.group(2)] = path[-2] if len(path) > 1 else "Exception"
    assert drawn == {name: getattr(errors, name).__base__.__name__ for name in errors.__all__}


def test_every_exception_says_what_it_is_for() -> None:
    assert all(getattr(errors, name).__doc__ for name in errors.__all__)
