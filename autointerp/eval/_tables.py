"""The simplest programs there are: a table of tokens, and one answer to everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


def table_program(table: Mapping[str, float]) -> str:
    """The source of a program that predicts what the table has for a token, and 0 for every other."""
    return f"TABLE = {dict(table)!r}\n\n\ndef predict(tokens):\n    return [TABLE.get(t, 0.0) for t in tokens]\n"


def constant_source(outputs: Sequence[str], seed: int) -> str:
    """A program that gives one answer, drawn at random, whatever the input."""
    drawn = str(np.random.default_rng(seed).choice(list(outputs)))
    return f"def answer(tokens):\n    return [{drawn!r}] * len(tokens)\n"
