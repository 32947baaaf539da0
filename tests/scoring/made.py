"""Programs and explanations made by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autointerp.records import EffectClaim, Explanation, Program, Verdict
from autointerp.study import Laboratory


def near_tokens(laboratory: Laboratory) -> list[int]:
    """Tokens that stand in a good part of the windows: those of the feature of two tokens."""
    return [token for token, value in enumerate(laboratory.dictionary._values[:, 1].tolist()) if value]


def exact(laboratory: Laboratory, feature: int) -> dict[str, float]:
    """Activation by token string."""
    column = laboratory.dictionary._values[:, feature].tolist()
    return {laboratory.subject.strings[token]: value for token, value in enumerate(column) if value}


def lookup_program(table: dict[str, float], other: float = 0.0) -> Program:
    """Activation by token."""
    return Program(source=f"def predict(tokens):\n    return [{table!r}.get(t, {other}) for t in tokens]\n")


def recall_program(strings: Sequence[Sequence[str]], values: np.ndarray) -> Program:
    """Says of each text what `values` [texts, length] say, looked up by the whole text."""
    table = {"".join(text): row[1 : 1 + len(text)].tolist() for text, row in zip(strings, values, strict=True)}
    assert len(table) == len(strings)
    return Program(source=f"TABLE = {table!r}\n\ndef predict(tokens):\n    return TABLE[''.join(tokens)]\n")


def explanation_of(program: Program | None, effects: Sequence[EffectClaim] = ()) -> Explanation:
    return Explanation(
        summary="made for a test",
        fires_on="-",
        promotes="-",
        predictor=program,
        effects=tuple(effects),
        verdict=Verdict.EXPLAINED,
        confidence=0.5,
    )
